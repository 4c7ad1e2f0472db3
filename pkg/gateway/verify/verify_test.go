package verify_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/verify"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

var now = time.Unix(1_700_000_000, 0)

// newVerifier compiles a delivery as it stands in a definition and makes its verifier.
func newVerifier(t testing.TB, delivery string, params map[string]string) (gateway.Verifier, error) {
	t.Helper()
	definition := `
apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: test, displayName: Test, description: Test., provider: Test, product: Test}
parameters:
  user: {kind: text, title: User, description: User.}
  password: {kind: secret, title: Password, description: Password.}
  previous: {kind: secret, title: Previous, description: Previous password.}
application: test
system: {url: "https://system.example.com"}
deliveries:
  - name: webhook
    http: {path: /hook, accepts: [any]}
    event: {type: test.happened, id: =need(body("id")), data: =json("@this")}
` + delivery
	d, err := connector.LoadFile(fstest.MapFS{"connector.yaml": {Data: []byte(definition)}}, "connector.yaml")
	require.NoError(t, err)
	p, err := d.ResolveParams(params)
	require.NoError(t, err)
	mapper, err := mapping.New(d, &d.Deliveries[0], p.Input())
	require.NoError(t, err)
	return verify.New(d.Deliveries[0].Verify, p.Input(), verify.Options{
		HTTP: verify.NewClient(nil),
		Now:  func() time.Time { return now },
		Input: func(d *gateway.Delivery) (expression.Input, error) {
			return mapper.Input(mapping.Delivery{Header: d.Header, Query: d.Query, Path: d.Path, Body: d.Body})
		},
	})
}

func mustVerifier(t testing.TB, delivery string, params map[string]string) gateway.Verifier {
	t.Helper()
	v, err := newVerifier(t, delivery, params)
	require.NoError(t, err)
	return v
}

// verdict is the reason of a refusal, "ok" without one.
func verdict(t testing.TB, v gateway.Verifier, d *gateway.Delivery) string {
	t.Helper()
	err := v.Verify(context.Background(), d)
	if err == nil {
		return "ok"
	}
	var refusal *gateway.Refusal
	require.ErrorAs(t, err, &refusal)
	return refusal.Reason
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestBasic(t *testing.T) {
	t.Parallel()
	v := mustVerifier(t, `    verify: {basic: {username: =param("user"), password: =param("password")}}`, map[string]string{"user": "c4c", "password": "pass:word"})
	tests := []struct{ name, authorization, want string }{
		{"right, with a colon in the password", basicAuth("c4c", "pass:word"), "ok"},
		{"another case of the scheme", "bAsIc " + strings.TrimPrefix(basicAuth("c4c", "pass:word"), "Basic "), "ok"},
		{"nothing", "", "missing"},
		{"another scheme", "Bearer x", "malformed"},
		{"no scheme", "x", "malformed"},
		{"not base64", "Basic ???", "malformed"},
		{"no colon", "Basic " + base64.StdEncoding.EncodeToString([]byte("c4c")), "malformed"},
		{"another user", basicAuth("C4C", "pass:word"), "mismatch"},
		{"another password", basicAuth("c4c", "pass"), "mismatch"},
		{"empty password", basicAuth("c4c", ""), "mismatch"},
		{"empty both", basicAuth("", ""), "mismatch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, verdict(t, v, &gateway.Delivery{Header: header("Authorization", tt.authorization)}))
		})
	}
	var refusal *gateway.Refusal
	require.ErrorAs(t, v.Verify(context.Background(), &gateway.Delivery{}), &refusal)
	assert.Equal(t, `Basic realm="events", charset="UTF-8"`, refusal.Challenge)
}

func TestBearer(t *testing.T) {
	t.Parallel()
	v := mustVerifier(t, `    verify: {bearer: {tokens: [=param("password"), =param("previous")]}}`, map[string]string{"password": "new-token", "previous": "old-token"})
	for authorization, want := range map[string]string{
		"Bearer new-token": "ok", "bearer old-token": "ok", "": "missing", "Bearer": "malformed", "Basic new-token": "malformed",
		"Bearer ": "mismatch", "Bearer new-toke": "mismatch", "Bearer new-token,": "mismatch",
	} {
		assert.Equal(t, want, verdict(t, v, &gateway.Delivery{Header: header("Authorization", authorization)}), authorization)
	}
}

func TestPathToken(t *testing.T) {
	t.Parallel()
	v := mustVerifier(t, `    verify: {pathToken: {tokens: [=param("password")]}}`, map[string]string{"password": "unguessable"})
	for token, want := range map[string]string{"unguessable": "ok", "": "missing", "guess": "mismatch"} {
		assert.Equal(t, want, verdict(t, v, &gateway.Delivery{Token: token}), token)
	}
}

func TestAnyOf(t *testing.T) {
	t.Parallel()
	const schemes = `    verify: {anyOf: [{basic: {username: =param("user"), password: =param("password")}}, {pathToken: {tokens: [=param("previous")]}}]}`
	v := mustVerifier(t, schemes, map[string]string{"user": "u", "password": "secret", "previous": "unguessable"})
	right, wrong := header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("u:secret"))), header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("u:guess")))
	for name, tc := range map[string]struct {
		delivery gateway.Delivery
		want     string
	}{
		"the first":                {gateway.Delivery{Header: right}, "ok"},
		"the second":               {gateway.Delivery{Token: "unguessable"}, "ok"},
		"both":                     {gateway.Delivery{Header: right, Token: "unguessable"}, "ok"},
		"one is right":             {gateway.Delivery{Header: wrong, Token: "unguessable"}, "ok"},
		"neither":                  {gateway.Delivery{}, "missing"},
		"the first is wrong":       {gateway.Delivery{Header: wrong}, "mismatch"},
		"the second is wrong":      {gateway.Delivery{Token: "guess"}, "mismatch"},
		"the proof of another one": {gateway.Delivery{Token: "secret"}, "mismatch"},
	} {
		assert.Equal(t, tc.want, verdict(t, v, &tc.delivery), name)
	}
	_, err := newVerifier(t, schemes, map[string]string{"user": "u", "password": "secret"})
	assert.ErrorContains(t, err, `pathToken.tokens is empty: give parameter "previous" a value`, "none is left out silently")
}

// The vectors are recorded deliveries of the systems.
const (
	qualtricsKey       = "kyma4ever"
	qualtricsMessage   = `{"Status":"Complete","SurveyID":"SV_1AmkKSDmoZ4XlQx","ResponseID":"R_0B7IcnXszjEUHLP","CompletedDate":"2019-06-25 07:58:25","BrandID":"sapdevelopment"}`
	qualtricsSignature = "c2c585a404c239aa3063b462cc33551d3ed3ed2de0899f58d456fc0ef7ebef6f3c3af44957989bd0592603e41edde9528f7d9ed09ee128bf719aa12f46e5c598"

	githubKey    = "topsecret"
	githubBody   = `{"zen":"Keep it logically awesome.","hook_id":1}`
	githubSHA256 = "sha256=40e984e7bbe167e4f1a772dd419a37b857e262b023846c3c249dfe1b5727fd32"
	githubSHA1   = "sha1=4bedfe7274c7dbe8b0a3cc12c7574c48a87e2683"

	qualtricsScheme = `    verify: {hmac: {algorithm: sha512, encoding: hex, keys: [=param("password")], message: =form("MSG"), signature: =form("HMAC")}}`
	githubScheme    = `    verify: {hmac: {algorithm: sha256, encoding: hex, prefix: "sha256=", keys: [=param("password"), =param("previous")], message: =rawBody, signature: =header("X-Hub-Signature-256")}}`
	githubOldScheme = `    verify: {hmac: {algorithm: sha1, encoding: hex, prefix: "sha1=", keys: [=param("password")], message: =rawBody, signature: =header("X-Hub-Signature")}}`
)

func form(values url.Values) *gateway.Delivery {
	return &gateway.Delivery{Header: header("Content-Type", "application/x-www-form-urlencoded"), Body: []byte(values.Encode())}
}

func TestHMACOverAFormField(t *testing.T) {
	t.Parallel()
	v := mustVerifier(t, qualtricsScheme, map[string]string{"password": qualtricsKey})
	tests := []struct {
		name string
		d    *gateway.Delivery
		want string
	}{
		{"recorded", form(url.Values{"MSG": {qualtricsMessage}, "HMAC": {qualtricsSignature}, "Topic": {"sapdevelopment.surveyengine.completedResponse.SV_1AmkKSDmoZ4XlQx"}}), "ok"},
		{"upper case", form(url.Values{"MSG": {qualtricsMessage}, "HMAC": {strings.ToUpper(qualtricsSignature)}}), "ok"},
		{"another message", form(url.Values{"MSG": {qualtricsMessage + " "}, "HMAC": {qualtricsSignature}}), "mismatch"},
		{"no signature", form(url.Values{"MSG": {qualtricsMessage}}), "missing"},
		{"cut off", form(url.Values{"MSG": {qualtricsMessage}, "HMAC": {qualtricsSignature[:64]}}), "mismatch"},
		{"not hex", form(url.Values{"MSG": {qualtricsMessage}, "HMAC": {"xyz"}}), "malformed"},
		{"the same fields as JSON", &gateway.Delivery{Header: header("Content-Type", "application/json"), Body: []byte(`{"MSG":"m","HMAC":"h"}`)}, "missing"},
		{"not a form", &gateway.Delivery{Header: header("Content-Type", "application/x-www-form-urlencoded"), Body: []byte("MSG=%zz")}, "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, verdict(t, v, tt.d))
		})
	}
}

func TestHMACOverTheBody(t *testing.T) {
	t.Parallel()
	current := mustVerifier(t, githubScheme, map[string]string{"password": githubKey})
	rotating := mustVerifier(t, githubScheme, map[string]string{"password": "the next one", "previous": githubKey})
	old := mustVerifier(t, githubOldScheme, map[string]string{"password": githubKey})
	tests := []struct {
		name   string
		v      gateway.Verifier
		header http.Header
		body   string
		want   string
	}{
		{"sha256", current, header("X-Hub-Signature-256", githubSHA256), githubBody, "ok"},
		{"sha1", old, header("X-Hub-Signature", githubSHA1), githubBody, "ok"},
		{"previous key", rotating, header("X-Hub-Signature-256", githubSHA256), githubBody, "ok"},
		{"no prefix", current, header("X-Hub-Signature-256", strings.TrimPrefix(githubSHA256, "sha256=")), githubBody, "malformed"},
		{"only the prefix", current, header("X-Hub-Signature-256", "sha256="), githubBody, "mismatch"},
		{"another body", current, header("X-Hub-Signature-256", githubSHA256), githubBody + "\n", "mismatch"},
		{"empty body", current, header("X-Hub-Signature-256", githubSHA256), "", "mismatch"},
		{"nothing", current, nil, githubBody, "missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, verdict(t, tt.v, &gateway.Delivery{Header: tt.header, Body: []byte(tt.body)}))
		})
	}
}

func sign(key []byte, message string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestHMACInBase64WithAReplayWindow(t *testing.T) {
	t.Parallel()
	v := mustVerifier(t, `    verify: {hmac: {algorithm: sha256, encoding: base64, keys: [=param("password")], message: =header("X-Time") + "." + rawBody, signature: =header("X-Signature"), timestamp: =header("X-Time"), tolerance: 1m}}`,
		map[string]string{"password": "key"})
	deliver := func(stamp string) *gateway.Delivery {
		return &gateway.Delivery{Header: header("X-Time", stamp, "X-Signature", sign([]byte("key"), stamp+".body")), Body: []byte("body")}
	}
	for stamp, want := range map[string]string{
		fmt.Sprint(now.Unix()): "ok", fmt.Sprint(now.Unix() - 60): "ok", fmt.Sprint(now.Unix() + 60): "ok",
		fmt.Sprint(now.Unix() - 61): "expired", fmt.Sprint(now.Unix() + 61): "expired", "-9223372036854775808": "expired",
		"": "missing", "soon": "malformed",
	} {
		assert.Equal(t, want, verdict(t, v, deliver(stamp)), stamp)
	}
	stolen := deliver(fmt.Sprint(now.Unix() - 3600))
	stolen.Header.Set("X-Time", fmt.Sprint(now.Unix()))
	assert.Equal(t, "mismatch", verdict(t, v, stolen), "the time is signed")
}

// The example of the Standard Webhooks specification.
const (
	standardSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	standardID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	standardTime      = "1614265330"
	standardBody      = `{"test": 2432232314}`
	standardSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func TestStandardWebhooks(t *testing.T) {
	t.Parallel()
	scheme := `    verify: {standardWebhooks: {secrets: [=param("password"), =param("previous")], tolerance: 1000000h}}`
	current := mustVerifier(t, scheme, map[string]string{"password": standardSecret})
	rotating := mustVerifier(t, scheme, map[string]string{"password": "whsec_" + base64.StdEncoding.EncodeToString([]byte("the next secret")), "previous": standardSecret})
	deliver := func(id, stamp, signature string) *gateway.Delivery {
		return &gateway.Delivery{Header: header("webhook-id", id, "webhook-timestamp", stamp, "webhook-signature", signature), Body: []byte(standardBody)}
	}
	tests := []struct {
		name string
		v    gateway.Verifier
		d    *gateway.Delivery
		want string
	}{
		{"the specification's example", current, deliver(standardID, standardTime, standardSignature), "ok"},
		{"one of several signatures", current, deliver(standardID, standardTime, "v1,AAAA v1a,BBBB "+standardSignature), "ok"},
		{"previous secret", rotating, deliver(standardID, standardTime, standardSignature), "ok"},
		{"another id", current, deliver("msg_other", standardTime, standardSignature), "mismatch"},
		{"another time", current, deliver(standardID, "1614265331", standardSignature), "mismatch"},
		{"only another version", current, deliver(standardID, standardTime, "v2,g0hM9SsE"), "malformed"},
		{"not base64", current, deliver(standardID, standardTime, "v1,?"), "malformed"},
		{"no id", current, deliver("", standardTime, standardSignature), "missing"},
		{"no time", current, deliver(standardID, "", standardSignature), "missing"},
		{"not a time", current, deliver(standardID, "now", standardSignature), "malformed"},
		{"too many signatures", current, deliver(standardID, standardTime, strings.Repeat("v1,AAAA ", 50)+standardSignature), "mismatch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, verdict(t, tt.v, tt.d))
		})
	}
	short := mustVerifier(t, `    verify: {standardWebhooks: {secrets: [=param("password")]}}`, map[string]string{"password": standardSecret})
	assert.Equal(t, "expired", verdict(t, short, deliver(standardID, standardTime, standardSignature)), "five minutes where the definition says nothing")
}

func TestWithoutSecretThereIsNoVerifier(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, delivery, err string }{
		{"basic user", `    verify: {basic: {username: =param("user"), password: fixed}}`, `verify: basic.username is empty: give parameter "user" a value, otherwise nothing would be checked`},
		{"basic password", `    verify: {basic: {username: fixed, password: =param("password")}}`, `verify: basic.password is empty: give parameter "password" a value, otherwise nothing would be checked`},
		{"bearer", `    verify: {bearer: {tokens: [=param("password"), =param("previous")]}}`, `verify: bearer.tokens is empty: give parameter "password" or "previous" a value, otherwise nothing would be checked`},
		{"hmac", qualtricsScheme, `verify: hmac.keys is empty: give parameter "password" a value, otherwise nothing would be checked`},
		{"path token", `    verify: {pathToken: {tokens: [=param("password")]}}`, `verify: pathToken.tokens is empty: give parameter "password" a value, otherwise nothing would be checked`},
		{"standard webhooks", `    verify: {standardWebhooks: {secrets: [=param("password")]}}`, `verify: standardWebhooks.secrets is empty: give parameter "password" a value, otherwise nothing would be checked`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := newVerifier(t, tt.delivery, nil)
			assert.EqualError(t, err, tt.err)
		})
	}
	_, err := newVerifier(t, `    verify: {standardWebhooks: {secrets: [=param("password")]}}`, map[string]string{"password": "whsec_hunter2!"})
	assert.ErrorContains(t, err, "want whsec_ and base64")
	secrettest.AssertNoLeak(t, err.Error(), secret.New("hunter2!"))
	_, err = verify.New(connector.Verify{}, expression.Input{}, verify.Options{})
	assert.ErrorContains(t, err, "no scheme")
}

func TestRefusalsHoldNoSecret(t *testing.T) {
	t.Parallel()
	params := map[string]string{"user": "the-user", "password": "the-password-of-today", "previous": "the-password-of-yesterday"}
	for _, scheme := range []string{`    verify: {basic: {username: =param("user"), password: =param("password")}}`, githubScheme, qualtricsScheme, `    verify: {bearer: {tokens: [=param("password"), =param("previous")]}}`} {
		v := mustVerifier(t, scheme, params)
		for _, d := range []*gateway.Delivery{{}, {Header: header("Authorization", "Basic x", "X-Hub-Signature-256", "sha256=00")}, form(url.Values{"MSG": {"m"}, "HMAC": {"00"}})} {
			err := v.Verify(context.Background(), d)
			require.Error(t, err)
			text, marshalErr := json.Marshal(map[string]any{"error": err.Error(), "refusal": err})
			require.NoError(t, marshalErr)
			secrettest.AssertNoLeak(t, string(text)+fmt.Sprintf("%+v %#v", err, v), secret.New(params["password"]), secret.New(params["previous"]))
		}
	}
}

// FuzzVerifiers feeds every scheme with whatever comes: nothing crashes, and nothing is taken that an
// independent computation would not take.
func FuzzVerifiers(f *testing.F) {
	params := map[string]string{"user": "c4c", "password": qualtricsKey, "previous": githubKey}
	hmacBody := mustVerifier(f, githubScheme, params)
	hmacForm := mustVerifier(f, qualtricsScheme, params)
	basic := mustVerifier(f, `    verify: {basic: {username: =param("user"), password: =param("password")}}`, params)
	standard := mustVerifier(f, `    verify: {standardWebhooks: {secrets: [=param("password")]}}`, map[string]string{"password": standardSecret})
	f.Add(githubSHA256, "", []byte(githubBody))
	f.Add(qualtricsSignature, "application/x-www-form-urlencoded", []byte(url.Values{"MSG": {qualtricsMessage}, "HMAC": {qualtricsSignature}}.Encode()))
	f.Add(basicAuth("c4c", qualtricsKey), "application/json", []byte(`{}`))
	f.Add(standardSignature, standardTime, []byte(standardBody))
	f.Fuzz(func(t *testing.T, proof, kind string, body []byte) {
		h := http.Header{"Authorization": {proof}, "X-Hub-Signature-256": {proof}, "Content-Type": {kind}, "Webhook-Signature": {proof}, "Webhook-Timestamp": {kind}, "Webhook-Id": {"id"}}
		d := &gateway.Delivery{Header: h, Body: body}
		for name, v := range map[string]gateway.Verifier{"hmac body": hmacBody, "hmac form": hmacForm, "basic": basic, "standard": standard} {
			err := v.Verify(context.Background(), d)
			var refusal *gateway.Refusal
			if err != nil {
				assert.True(t, errors.As(err, &refusal), name)
				continue
			}
			switch name {
			case "hmac body":
				found := false
				for _, key := range []string{qualtricsKey, githubKey} {
					mac := hmac.New(sha256.New, []byte(key))
					mac.Write(body)
					found = found || strings.EqualFold(proof, fmt.Sprintf("sha256=%x", mac.Sum(nil)))
				}
				assert.True(t, found, "forgery")
			case "basic":
				request := http.Request{Header: h}
				user, password, ok := request.BasicAuth()
				assert.True(t, ok && user == "c4c" && password == qualtricsKey, "forgery")
			case "hmac form":
				values, err := url.ParseQuery(string(body))
				assert.NoError(t, err)
				assert.Len(t, values.Get("HMAC"), 128)
			case "standard":
				assert.Contains(t, proof, "v1,")
			}
		}
	})
}
