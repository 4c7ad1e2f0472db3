package registration

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// State keeps, between two runs, what tells whether credentials have changed. It holds digests, not
// credentials; the key makes them useless for guessing, so both belong into a Secret.
type State interface {
	// Load returns what was saved; the zero StateData where nothing was.
	Load(ctx context.Context) (StateData, error)
	// Save replaces it.
	Save(ctx context.Context, data StateData) error
}

// StateData is what a State keeps.
type StateData struct {
	// Key is the key of the digests: 32 random bytes in hexadecimal; empty before the first Save.
	Key secret.Text
	// Digests are keyed digests of the credentials, by service id.
	Digests map[string]string
}

// newKey makes a key for StateData.
func newKey() secret.Text {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: it ends the process where there is no randomness
	return secret.New(hex.EncodeToString(key[:]))
}

// digest is the keyed digest of everything in the service that contentHash leaves out.
func digest(key secret.Text, s Service) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	_, _ = mac.Write(credentialBytes(s))
	return hex.EncodeToString(mac.Sum(nil))
}

// hasCredentials says whether the service has anything that contentHash leaves out.
func hasCredentials(s Service) bool {
	return s.API != nil && (s.API.Credentials != Credentials{} || len(s.API.Headers) > 0 || len(s.API.Query) > 0)
}

// credentialBytes is an unambiguous serialisation of the credentials, for digests only.
func credentialBytes(s Service) []byte {
	var fields []any
	if s.API != nil {
		c := s.API.Credentials
		if c.Basic != nil {
			fields = append(fields, "basic", c.Basic.Username, c.Basic.Password.Reveal())
		}
		if c.OAuth != nil {
			fields = append(fields, "oauth", c.OAuth.ClientID, c.OAuth.ClientSecret.Reveal(), reveal(c.OAuth.Headers), reveal(c.OAuth.Query))
		}
		if c.ClientCertificate != nil {
			fields = append(fields, "certificate", c.ClientCertificate.Certificate, c.ClientCertificate.Key.Reveal())
		}
		fields = append(fields, reveal(s.API.Headers), reveal(s.API.Query))
	}
	return canonical(fields)
}

func reveal(values map[string][]secret.Text) map[string][]string {
	out := make(map[string][]string, len(values))
	for name, texts := range values {
		for _, t := range texts {
			out[name] = append(out[name], t.Reveal())
		}
	}
	return out
}

// hashVersion is part of every content hash: raise it where a new release registers the same definition
// in another way, and every service is updated once.
const hashVersion = 1

// contentHash covers everything of the service but its credentials and the hash label itself. Of
// credentials it covers the kind and the names.
func contentHash(s Service) string {
	labels := make(map[string]string, len(s.Labels))
	for name, value := range s.Labels {
		if name != LabelHash {
			labels[name] = value
		}
	}
	fields := []any{hashVersion, s.Identifier, s.DisplayName, s.Provider, s.Description, labels, string(s.Events)}
	if a := s.API; a != nil {
		tokenURL := ""
		if a.Credentials.OAuth != nil {
			tokenURL = a.Credentials.OAuth.TokenURL
		}
		fields = append(fields, a.Kind, a.TargetURL, a.Specification.sum(), a.SpecificationURL, a.SpecificationAuth, a.CSRFTokenURL, a.SecretName,
			a.Credentials.Basic != nil, a.Credentials.OAuth != nil, a.Credentials.ClientCertificate != nil, tokenURL, counts(a.Headers), counts(a.Query))
	}
	sum := sha256.Sum256(canonical(fields))
	return hex.EncodeToString(sum[:20])
}

func counts(values map[string][]secret.Text) map[string]int {
	out := make(map[string]int, len(values))
	for name, texts := range values {
		out[name] = len(texts)
	}
	return out
}

// canonical is an unambiguous text of values made of strings, numbers, booleans, lists and maps.
func canonical(value any) []byte {
	data, _ := json.Marshal(value) // cannot fail for these types
	return data
}
