//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
)

// message is one event in JetStream, as Kyma's consumers get it.
type message struct {
	Sequence uint64 `json:"sequence"`
	Subject  string `json:"subject"`
	Event    struct {
		ID     string          `json:"id"`
		Source string          `json:"source"`
		Type   string          `json:"type"`
		Data   json.RawMessage `json:"data"`
	} `json:"event"`
}

func (s *suite) messages(t *testing.T, after uint64) (list []message) {
	t.Helper()
	s.proxied(t, "kyma-system", "eventing-publisher-proxy", fmt.Sprintf("/messages?after=%d", after), nil, &list)
	return list
}

func last(list []message) uint64 {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1].Sequence
}
