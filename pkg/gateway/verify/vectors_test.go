package verify_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// Vectors that others publish: the second test case of RFC 2202 (SHA-1) and RFC 4231 (SHA-256, SHA-512).
const (
	rfcKey     = "Jefe"
	rfcMessage = "what do ya want for nothing?"
)

var rfcDigests = map[string]map[string]string{
	"sha1": {"hex": "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", "base64": "7/zfauXrL6LSdBbV8YTfnCWafHk="},
	"sha256": {
		"hex":    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		"base64": "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
	},
	"sha512": {
		"hex":    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
		"base64": "Fkt6e/z4GeLjlfvnO1bgo4e9ZCIugx/WECcM1+olBVSXWL91wFqZSm0DT2X48Ob9yuqxo01Ka0tjbgcKOLznNw==",
	},
}

// TestHMACInEveryForm: each algorithm, each encoding, over each kind of message, from each place, with and
// without a prefix; and each of them with one letter of the message changed.
func TestHMACInEveryForm(t *testing.T) {
	t.Parallel()
	messages := map[string]func(text, signature string) *gateway.Delivery{
		"=rawBody": func(text, signature string) *gateway.Delivery {
			return &gateway.Delivery{Header: header("X-Signature", signature), Body: []byte(text)}
		},
		`=form("MSG")`: func(text, signature string) *gateway.Delivery {
			d := form(url.Values{"MSG": {text}, "HMAC": {signature}})
			d.Header.Set("X-Signature", signature)
			return d
		},
		`=header("X-Start") + " " + rawBody`: func(text, signature string) *gateway.Delivery {
			return &gateway.Delivery{Header: header("X-Signature", signature, "X-Start", text[:4]), Body: []byte(text[5:])}
		},
	}
	for algorithm, digests := range rfcDigests {
		for encoding, digest := range digests {
			for message, deliver := range messages {
				places := []string{`=header("X-Signature")`}
				if message == `=form("MSG")` {
					places = append(places, `=form("HMAC")`)
				}
				for _, place := range places {
					for _, prefix := range []string{"", algorithm + "="} {
						v := mustVerifier(t, fmt.Sprintf(`    verify: {hmac: {algorithm: %s, encoding: %s, prefix: %q, keys: [=param("password")], message: %s, signature: %s}}`,
							algorithm, encoding, prefix, message, place), map[string]string{"password": rfcKey})
						name := fmt.Sprint(algorithm, " ", encoding, " ", message, " ", place, " ", prefix)
						assert.Equal(t, "ok", verdict(t, v, deliver(rfcMessage, prefix+digest)), name)
						assert.Equal(t, "mismatch", verdict(t, v, deliver("what do ya want for nothing!", prefix+digest)), name)
						for other, others := range rfcDigests {
							if other != algorithm {
								assert.Equal(t, "mismatch", verdict(t, v, deliver(rfcMessage, prefix+others[encoding])), "%s by %s", name, other)
							}
						}
					}
				}
			}
		}
	}
}

// TestGitHubsOwnExample is the one in GitHub's documentation of validating deliveries.
func TestGitHubsOwnExample(t *testing.T) {
	t.Parallel()
	v := mustVerifier(t, githubScheme, map[string]string{"password": "It's a Secret to Everybody"})
	signed := header("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	assert.Equal(t, "ok", verdict(t, v, &gateway.Delivery{Header: signed, Body: []byte("Hello, World!")}))
	assert.Equal(t, "mismatch", verdict(t, v, &gateway.Delivery{Header: signed, Body: []byte("Hello, World?")}))
}
