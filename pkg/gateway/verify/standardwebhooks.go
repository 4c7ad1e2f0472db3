package verify

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

const (
	// secretPrefix may start a secret, as the specification writes it.
	secretPrefix = "whsec_"
	// maxSignatures bounds the signatures of one delivery; a sender in rotation needs two.
	maxSignatures = 8
)

// standardWebhooks is the symmetric scheme v1 of Standard Webhooks 1.0.
type standardWebhooks struct {
	keys      []*macs
	tolerance time.Duration
	now       func() time.Time
}

func newStandardWebhooks(v *connector.VerifyStandardWebhooks, params expression.Input, now func() time.Time) (gateway.Verifier, error) {
	secrets, err := requiredList("standardWebhooks.secrets", v.Secrets, params)
	if err != nil {
		return nil, err
	}
	s := &standardWebhooks{tolerance: time.Duration(v.Tolerance), now: now}
	if s.tolerance <= 0 {
		s.tolerance = defaultTolerance
	}
	for i, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil || len(key) == 0 {
			return nil, fmt.Errorf("verify: standardWebhooks.secrets[%d]: want %s and base64, as the sender shows it", i, secretPrefix)
		}
		s.keys = append(s.keys, newMACs(sha256.New, key))
	}
	return s, nil
}

// Verify implements gateway.Verifier.
func (s *standardWebhooks) Verify(_ context.Context, d *gateway.Delivery) error {
	id, stamp, signatures := d.Header.Get("Webhook-Id"), d.Header.Get("Webhook-Timestamp"), d.Header.Get("Webhook-Signature")
	if id == "" || stamp == "" || signatures == "" {
		return refuse(reasonMissing)
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return refuse(reasonMalformed)
	}
	found, usable := false, false
	for i, signature := range strings.Fields(signatures) {
		encoded, ok := strings.CutPrefix(signature, "v1,")
		if !ok || i >= maxSignatures {
			continue // another version, which a sender may add at any time
		}
		mac, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			continue
		}
		usable = true
		if matches(s.keys, mac, []byte(id), []byte("."), []byte(stamp), []byte("."), d.Body) {
			found = true
		}
	}
	switch {
	case !usable:
		return refuse(reasonMalformed)
	case !found:
		return refuse(reasonMismatch)
	case !fresh(seconds, s.tolerance, s.now()):
		return refuse(reasonExpired)
	}
	return nil
}
