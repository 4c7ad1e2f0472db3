package appregistry

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// constant is a transport whose other end always answers the same.
type constant struct {
	status int
	body   string
}

func (c constant) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.body))}, nil
}

// FuzzAnswers reads what a registry, or what is taken for one, may answer. No error repeats a secret.
func FuzzAnswers(f *testing.F) {
	const password = "hunter2-password"
	f.Add(200, `[{"id":"1","name":"x","identifier":"y","labels":{"a":"b"}}]`)
	f.Add(200, `{"error":"x"}`)
	f.Add(404, `{"code":4,"error":"Application shop not found"}`)
	f.Add(400, `{"code":3,"error":"bad hunter2-password"}`)
	f.Add(400, "{\"code\":3,\"error\":\"\x01\u2028"+strings.Repeat("ü", 300)+`"}`)
	f.Add(502, `null`)
	api := &registration.API{Credentials: registration.Credentials{Basic: &registration.BasicCredentials{Username: "u", Password: secret.New(password)}}}
	f.Fuzz(func(t *testing.T, status int, body string) {
		catalog, err := New(Options{Application: "shop", Instance: "ns/shop", HTTP: httpclient.New(httpclient.Options{
			Transport: constant{status, body}, Retry: httpclient.Retry{Attempts: 1},
		})})
		if err != nil {
			t.Fatal(err)
		}
		found, err := catalog.List(t.Context())
		if (err == nil) != (found != nil) {
			t.Errorf("%d %q: %v, %v", status, body, found, err)
		}
		text := refusal("create", &httpclient.Response{Status: status, Body: []byte(body)}, api).Error()
		if strings.Contains(text, password) || len(text) > 1000 {
			t.Errorf("%d %q: %s", status, body, text)
		}
	})
}
