// Package secrettest is the leak test that every part that handles secrets runs on what it puts out: logs,
// errors, reports, manifests.
package secrettest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// shortest is the length in bytes below which a value says nothing where it is found.
const shortest = 4

// AssertNoLeak fails the test if text holds one of the secrets: plain, or in base64, hex, URL or JSON
// encoding, which is how secrets get into logs unseen. A secret of fewer than four bytes fails the test,
// because looking for it proves nothing.
func AssertNoLeak(t testing.TB, text string, secrets ...secret.Text) {
	t.Helper()
	if len(secrets) == 0 {
		t.Error("the leak test knows no secret to look for")
	}
	for i, s := range secrets {
		value := s.Reveal()
		if len(value) < shortest {
			t.Errorf("secret %d is too short to look for: use one of at least %d bytes", i, shortest)
			continue
		}
		for form, encoded := range forms(value) {
			if at := strings.Index(text, encoded); at >= 0 {
				t.Errorf("secret %d leaks, %s, after %q", i, form, before(text, at))
			}
		}
	}
}

// forms are the ways in which a secret may be written.
func forms(value string) map[string]string {
	quoted, err := json.Marshal(value)
	if err != nil {
		quoted = []byte(`""`)
	}
	out := map[string]string{
		"as it is":          value,
		"in hex":            hex.EncodeToString([]byte(value)),
		"as a query":        url.QueryEscape(value),
		"as a path segment": url.PathEscape(value),
		"in JSON":           strings.Trim(string(quoted), `"`),
	}
	// Base64 of a longer text holds one of three forms, by the position of the secret in it; the first and
	// the last characters also depend on its neighbours.
	for offset, name := range []string{"in base64", "in base64 after one byte", "in base64 after two bytes"} {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + value))
		from, to := (offset*8+5)/6, len(encoded)-1
		if to-from >= shortest {
			out[name] = encoded[from:to]
			out[name+" for URLs"] = strings.NewReplacer("+", "-", "/", "_").Replace(encoded[from:to])
		}
	}
	return out
}

// before is a little of the text in front of a leak, to find the place without repeating the secret.
func before(text string, at int) string {
	const most = 40
	return text[max(0, at-most):at]
}
