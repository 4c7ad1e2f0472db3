package simulator_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// The digests are recorded ones or were computed elsewhere.
func TestSignaturesMatchRecordedOnes(t *testing.T) {
	t.Parallel()
	const (
		zen    = `{"zen":"Keep it logically awesome.","hook_id":1}`
		survey = `{"Status":"Complete","SurveyID":"SV_1AmkKSDmoZ4XlQx","ResponseID":"R_0B7IcnXszjEUHLP","CompletedDate":"2019-06-25 07:58:25","BrandID":"sapdevelopment"}`
		form   = `Topic=x&MSG=%7B%22Status%22%3A%22Complete%22%2C%22SurveyID%22%3A%22SV_1AmkKSDmoZ4XlQx%22%2C%22ResponseID%22%3A%22R_0B7IcnXszjEUHLP%22%2C%22CompletedDate%22%3A%222019-06-25+07%3A58%3A25%22%2C%22BrandID%22%3A%22sapdevelopment%22%7D`
	)
	for _, test := range []struct {
		name         string
		body         string
		scheme       simulator.Scheme
		header, want string
		wantBody     string
	}{
		{name: "sha256 with prefix", body: zen, header: "X-Hub-Signature-256",
			scheme: simulator.Scheme{HMAC: &simulator.HMACScheme{Algorithm: "sha256", Encoding: "hex", Key: "topsecret", Header: "X-Hub-Signature-256", Prefix: "sha256="}},
			want:   "sha256=40e984e7bbe167e4f1a772dd419a37b857e262b023846c3c249dfe1b5727fd32"},
		{name: "sha1", body: zen, header: "X-Hub-Signature",
			scheme: simulator.Scheme{HMAC: &simulator.HMACScheme{Algorithm: "sha1", Encoding: "hex", Key: "topsecret", Header: "X-Hub-Signature", Prefix: "sha1="}},
			want:   "sha1=4bedfe7274c7dbe8b0a3cc12c7574c48a87e2683"},
		{name: "sha512 of the body", body: survey, header: "X-Signature",
			scheme: simulator.Scheme{HMAC: &simulator.HMACScheme{Algorithm: "sha512", Encoding: "hex", Key: "kyma4ever", Header: "X-Signature"}},
			want:   "c2c585a404c239aa3063b462cc33551d3ed3ed2de0899f58d456fc0ef7ebef6f3c3af44957989bd0592603e41edde9528f7d9ed09ee128bf719aa12f46e5c598"},
		{name: "sha512 of a field into a field", body: "HMAC=old&" + form,
			scheme:   simulator.Scheme{HMAC: &simulator.HMACScheme{Algorithm: "sha512", Encoding: "hex", Key: "kyma4ever", MessageField: "MSG", Field: "HMAC"}},
			wantBody: "HMAC=c2c585a404c239aa3063b462cc33551d3ed3ed2de0899f58d456fc0ef7ebef6f3c3af44957989bd0592603e41edde9528f7d9ed09ee128bf719aa12f46e5c598&" + form},
		{name: "base64", body: zen, header: "Elements-Webhook-Signature",
			scheme: simulator.Scheme{HMAC: &simulator.HMACScheme{Algorithm: "sha256", Encoding: "base64", Key: "topsecret", Header: "Elements-Webhook-Signature", Prefix: "sha256="}},
			want:   "sha256=QOmE57vhZ+Txp3LdQZo3uFfiYrAjhGw8JJ3+G1cn/TI="},
		{name: "basic", body: zen, header: "Authorization",
			scheme: simulator.Scheme{Basic: &simulator.BasicScheme{Username: "c4c-sample", Password: "sample-event-password"}},
			want:   "Basic YzRjLXNhbXBsZTpzYW1wbGUtZXZlbnQtcGFzc3dvcmQ="},
		{name: "bearer", body: zen, header: "Authorization",
			scheme: simulator.Scheme{Bearer: &simulator.BearerScheme{Token: "abc"}}, want: "Bearer abc"},
		{name: "token in a header of its own", body: zen, header: "X-Token",
			scheme: simulator.Scheme{Bearer: &simulator.BearerScheme{Token: "abc", Header: "X-Token"}}, want: "abc"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			req := request(t, http.MethodPost, "http://gateway/hook", test.body)
			body, err := simulator.Sign(req, []byte(test.body), test.scheme)
			require.NoError(t, err)
			if test.header != "" {
				assert.Equal(t, test.want, req.Header.Get(test.header))
			}
			if test.wantBody == "" {
				test.wantBody = test.body
			}
			assert.Equal(t, test.wantBody, string(body))
		})
	}
}

func TestAPathTokenReplacesTheLastSegment(t *testing.T) {
	t.Parallel()
	req := request(t, http.MethodPost, "http://gateway/hook/old-token?x=1", "")
	_, err := simulator.Sign(req, nil, simulator.Scheme{Path: &simulator.PathScheme{Token: "new/token"}})
	require.NoError(t, err)
	assert.Equal(t, "/hook/new%2Ftoken?x=1", req.URL.RequestURI())
}

func TestASignatureFieldIsAddedWhereItIsMissing(t *testing.T) {
	t.Parallel()
	scheme := simulator.Scheme{HMAC: &simulator.HMACScheme{Algorithm: "sha256", Encoding: "hex", Key: "k", MessageField: "MSG", Field: "HM AC"}}
	body, err := simulator.Sign(request(t, http.MethodPost, "http://gateway/", ""), []byte("MSG=1&HM+AC=a&HM+AC=b"), scheme)
	require.NoError(t, err)
	assert.Regexp(t, `^MSG=1&HM\+AC=[0-9a-f]{64}$`, string(body))
}

func TestSchemesThatCannotSign(t *testing.T) {
	t.Parallel()
	for want, scheme := range map[string]simulator.Scheme{
		"sets exactly one kind, this one sets 0": {},
		"this one sets 2":                        {Basic: &simulator.BasicScheme{}, Bearer: &simulator.BearerScheme{}},
		`algorithm "md5"`:                        {HMAC: &simulator.HMACScheme{Algorithm: "md5", Encoding: "hex", Header: "X"}},
		`encoding ""`:                            {HMAC: &simulator.HMACScheme{Algorithm: "sha1", Header: "X"}},
		"one of them":                            {HMAC: &simulator.HMACScheme{Algorithm: "sha1", Encoding: "hex"}},
		`no form with the field "MSG"`:           {HMAC: &simulator.HMACScheme{Algorithm: "sha1", Encoding: "hex", Header: "X", MessageField: "MSG"}},
	} {
		_, err := simulator.Sign(request(t, http.MethodPost, "http://gateway/", ""), []byte("{}"), scheme)
		assert.ErrorContains(t, err, want)
	}
}
