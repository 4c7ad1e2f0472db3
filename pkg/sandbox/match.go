package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// typePrefix is what older versions of Kyma put before event types.
const typePrefix = "sap.kyma.custom."

// same says whether a published event is the expected one, as far as Kyma lets it through: older versions
// demand UUIDs as ids, so another id becomes one.
func same(p simulator.Published, want sample.Event) bool {
	if !sameType(p.Event.Type, want.FullType()) {
		return false
	}
	if p.Event.ID == want.ID {
		return true
	}
	return p.Legacy && !uuid.MatchString(want.ID) && uuid.MatchString(p.Event.ID) && equalJSON(p.Event.Data, want.Data)
}

// sameType compares event types; older versions of Kyma put a prefix before them and squeeze the segments.
func sameType(got, want string) bool {
	if got == want {
		return true
	}
	squeeze := func(s string) string { return strings.ReplaceAll(s, ".", "") }
	return strings.HasPrefix(got, typePrefix) && strings.HasSuffix(squeeze(got), squeeze(want))
}

// difference says where a published event is not as expected, or "". The legacy route carries neither a
// subject nor a source.
func difference(p simulator.Published, want sample.Event, application string) string {
	got := p.Event
	if !equalJSON(got.Data, want.Data) {
		return fmt.Sprintf("data is %.300s, want %.300s", got.Data, want.Data)
	}
	if want.Time != "" {
		at, err := time.Parse(time.RFC3339Nano, want.Time)
		if err != nil || !got.Time.Equal(at) {
			return fmt.Sprintf("time is %s, want %s", got.Time.Format(time.RFC3339Nano), want.Time)
		}
	}
	if p.Legacy {
		return ""
	}
	switch {
	case got.Source != application:
		return fmt.Sprintf("source is %s, want the application %s", got.Source, application)
	case want.Source != "" && want.Source != application && got.Extensions["originsource"] != want.Source:
		return fmt.Sprintf("extension originsource is %q, want %q", got.Extensions["originsource"], want.Source)
	case got.Subject != want.Subject:
		return fmt.Sprintf("subject is %q, want %q", got.Subject, want.Subject)
	}
	return ""
}

func equalJSON(a, b json.RawMessage) bool {
	var left, right any
	if len(a) == 0 || len(b) == 0 {
		return len(bytes.TrimSpace(a)) == len(bytes.TrimSpace(b))
	}
	if decodeJSON(a, &left) != nil || decodeJSON(b, &right) != nil {
		return bytes.Equal(a, b)
	}
	x, errX := json.Marshal(left)
	y, errY := json.Marshal(right)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func decodeJSON(data []byte, out any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(out)
}
