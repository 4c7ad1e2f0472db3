package token_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/token"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

const (
	clientID     = "kyma"
	clientSecret = "the-secret-of-the-client"
	oldKey       = "old-signing-key-0123456789-0123456789"
	newKey       = "new-signing-key-0123456789-0123456789"
)

var now = time.Unix(1_700_000_000, 0).UTC()

// options are good ones, changed.
func options(change func(*token.Options)) token.Options {
	o := token.Options{
		Issuer: "https://auth.example.com", Audience: "mqtt.example.com", ClientID: clientID,
		Secrets: []secret.Text{secret.New(clientSecret)}, Keys: []secret.Text{secret.New(newKey)}, Now: func() time.Time { return now },
	}
	if change != nil {
		change(&o)
	}
	return o
}

func authority(t testing.TB, change func(*token.Options)) *token.Authority {
	t.Helper()
	a, err := token.New(options(change))
	require.NoError(t, err)
	return a
}

func issue(t testing.TB, a *token.Authority) string {
	t.Helper()
	text, lifetime, err := a.Issue()
	require.NoError(t, err)
	assert.Positive(t, lifetime)
	return text.Reveal()
}

func keys(texts ...string) func(*token.Options) {
	return func(o *token.Options) {
		o.Keys = nil
		for _, text := range texts {
			o.Keys = append(o.Keys, secret.New(text))
		}
	}
}

// TestTheTokenIsAPlainJWT reads and signs a token by hand, beside the library that made it.
func TestTheTokenIsAPlainJWT(t *testing.T) {
	t.Parallel()
	parts := strings.Split(issue(t, authority(t, nil)), ".")
	require.Len(t, parts, 3)
	part := func(i int) (out map[string]any) {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &out))
		return out
	}
	header := part(0)
	assert.Equal(t, "HS256", header["alg"])
	assert.Regexp(t, "^[0-9a-f]{16}$", header["kid"])
	assert.Equal(t, map[string]any{
		"iss": "https://auth.example.com", "aud": []any{"mqtt.example.com"}, "sub": clientID,
		"iat": float64(now.Unix()), "exp": float64(now.Add(time.Hour).Unix()),
	}, part(1))
	mac := hmac.New(sha256.New, []byte(newKey))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	assert.Equal(t, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), parts[2])
	secrettest.AssertNoLeak(t, parts[0]+parts[1], secret.New(newKey), secret.New(clientSecret))
}

// handmade signs whatever it is given.
func handmade(header, claims, key string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	a := authority(t, nil)
	good := issue(t, a)
	expires, err := a.Check(good)
	require.NoError(t, err)
	assert.Equal(t, now.Add(time.Hour), expires.UTC())

	header, _ := base64.RawURLEncoding.DecodeString(strings.Split(good, ".")[0])
	claims, _ := base64.RawURLEncoding.DecodeString(strings.Split(good, ".")[1])
	changed := func(old, fresh string) string {
		require.Contains(t, string(claims), old)
		return handmade(string(header), strings.Replace(string(claims), old, fresh, 1), newKey)
	}
	require.Equal(t, good, handmade(string(header), string(claims), newKey), "the test signs as the authority does")
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(good, ".")[1] + "."
	expired := handmade(string(header), strings.Replace(string(claims), `"exp":1700003600`, `"exp":1700000000`, 1), newKey)
	for _, tt := range []struct{ name, token, reason string }{
		{"empty", "", "malformed"},
		{"no token", "kyma", "malformed"},
		{"cut off", good[:len(good)-11], "mismatch"},
		{"one bit off", good[:10] + "A" + good[11:], "malformed"},
		{"unsigned", unsigned, "mismatch"},
		{"signed by another key", issue(t, authority(t, keys(oldKey))), "mismatch"},
		{"signed with the client's secret", handmade(string(header), string(claims), clientSecret), "mismatch"},
		{"without the key's id", handmade(`{"alg":"HS256"}`, string(claims), newKey), "mismatch"},
		{"of a stronger kind than agreed", handmade(strings.Replace(string(header), "HS256", "HS512", 1), string(claims), newKey), "mismatch"},
		{"of another issuer", changed(`"https://auth.example.com"`, `"https://auth.example.org"`), "mismatch"},
		{"for another audience", changed(`"mqtt.example.com"`, `"mqtt.example.org"`), "mismatch"},
		{"for nobody", changed(`"aud":["mqtt.example.com"],`, ``), "mismatch"},
		{"for another client", changed(`"sub":"kyma"`, `"sub":"other"`), "mismatch"},
		{"without end", changed(`"exp":1700003600,`, ``), "mismatch"},
		{"ended", expired, "expired"},
		{"ended, and signed by another key", handmade(string(header), strings.Replace(string(claims), `"exp":1700003600`, `"exp":1`, 1), oldKey), "mismatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := a.Check(tt.token)
			assert.Equal(t, &gateway.Refusal{Reason: tt.reason}, err)
		})
	}
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	clock := now
	a := authority(t, func(o *token.Options) {
		o.Lifetime = time.Minute
		o.Now = func() time.Time { return clock }
	})
	text := issue(t, a)
	clock = now.Add(time.Minute - time.Second)
	_, err := a.Check(text)
	assert.NoError(t, err)
	clock = now.Add(time.Minute)
	_, err = a.Check(text)
	assert.Equal(t, &gateway.Refusal{Reason: "expired"}, err)
}

// TestTokensAreSharedAndKeysRotate: nothing is stored, so that another replica, and the same one after a
// restart, know each other's tokens; and a new key ends no session.
func TestTokensAreSharedAndKeysRotate(t *testing.T) {
	t.Parallel()
	before, replica := authority(t, keys(oldKey)), authority(t, keys(oldKey))
	during, after := authority(t, keys(newKey, oldKey)), authority(t, keys(newKey))
	old, fresh := issue(t, before), issue(t, during)
	accepts := func(a *token.Authority, text string) bool {
		_, err := a.Check(text)
		return err == nil
	}
	assert.True(t, accepts(replica, old))
	assert.True(t, accepts(during, old))
	assert.True(t, accepts(during, fresh))
	assert.True(t, accepts(after, fresh), "the new key signs as soon as it is there")
	assert.False(t, accepts(after, old))
	assert.False(t, accepts(before, fresh))
}

func TestAnAuthorityFailsClosed(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*token.Options){
		"client.id is empty":                  func(o *token.Options) { o.ClientID = "" },
		"client.secret is empty":              func(o *token.Options) { o.Secrets = nil },
		"client.secret is empty: give":        func(o *token.Options) { o.Secrets = append(o.Secrets, secret.New("")) },
		"signingKey is empty":                 func(o *token.Options) { o.Keys = nil },
		"signingKey is shorter than 32 bytes": keys(strings.Repeat("x", 31)),
		"signingKey is shorter than 32":       keys(newKey, ""),
		"signingKey is the client's secret":   func(o *token.Options) { o.Secrets = append(o.Secrets, secret.New(newKey)) },
		"host is empty":                       func(o *token.Options) { o.Issuer = "" },
		"host is empty: tokens need":          func(o *token.Options) { o.Audience = "" },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := token.New(options(change))
			require.ErrorContains(t, err, want)
			secrettest.AssertNoLeak(t, err.Error(), secret.New(newKey), secret.New(clientSecret))
		})
	}
}

// FuzzCheck tries to be let in.
func FuzzCheck(f *testing.F) {
	a, err := token.New(options(nil))
	if err != nil {
		f.Fatal(err)
	}
	text, _, err := a.Issue()
	if err != nil {
		f.Fatal(err)
	}
	good := text.Reveal()
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("a.b.c")
	f.Add(handmade(`{"alg":"none"}`, `{}`, ""))
	f.Fuzz(func(t *testing.T, text string) {
		_, err := a.Check(text)
		if err == nil {
			// The last character of Base64 holds bits that mean nothing.
			assert.Equal(t, good[:strings.LastIndex(good, ".")], text[:strings.LastIndex(text, ".")], "a forgery")
			return
		}
		var refusal *gateway.Refusal
		assert.True(t, errors.As(err, &refusal))
	})
}
