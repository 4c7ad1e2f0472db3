package openapi_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/openapi"
)

const secured = `{
  "openapi": "3.0.3",
  "security": [{"token": []}],
  "paths": {
    "/own": {"get": {}},
    "/open": {"get": {"security": []}},
    "/optional": {"get": {"security": [{"token": []}, {}]}},
    "/either": {"get": {"security": [{"query": []}, {"basic": []}]}},
    "/both": {"get": {"security": [{"token": [], "query": []}]}},
    "/bearer": {"get": {"security": [{"bearer": []}]}},
    "/oauth": {"get": {"security": [{"oauth": ["read"]}]}},
    "/unknown": {"get": {"security": [{"nobody": []}]}},
    "/other": {"get": {"security": [{"certificate": []}]}}
  },
  "components": {"securitySchemes": {
    "token": {"type": "apiKey", "in": "header", "name": "Desk-Token"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "Bearer"},
    "oauth": {"type": "oauth2", "flows": {}},
    "certificate": {"type": "mutualTLS"}
  }}
}`

const securedByVersion2 = `{
  "swagger": "2.0",
  "security": [{"user": []}],
  "paths": {"/own": {"get": {}}},
  "securityDefinitions": {"user": {"type": "basic"}}
}`

func TestWhatARequestLacksToSignIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ document, target, header, value, missing string }{
		{secured, "/own", "Desk-Token", "x", ""},
		{secured, "/own", "Other-Token", "x", "the header Desk-Token"},
		{secured, "/own?key=x", "", "", "the header Desk-Token"},
		{secured, "/open", "", "", ""},
		{secured, "/optional", "", "", ""},
		{secured, "/either?key=x", "", "", ""},
		{secured, "/either", "Authorization", "basic eDp5", ""},
		{secured, "/either", "Authorization", "Bearer x", "the query parameter key"},
		{secured, "/both?key=x", "Desk-Token", "x", ""},
		{secured, "/both", "Desk-Token", "x", "the query parameter key"},
		{secured, "/bearer", "Authorization", "Bearer x", ""},
		{secured, "/bearer", "Authorization", "Token x", "the header Authorization: Bearer"},
		{secured, "/oauth", "Authorization", "Bearer x", ""},
		{secured, "/oauth", "Desk-Token", "x", "the header Authorization: Bearer"},
		{secured, "/unknown", "", "", ""},
		{secured, "/other", "", "", ""},
		{securedByVersion2, "/own", "Authorization", "Basic eDp5", ""},
		{securedByVersion2, "/own", "", "", "the header Authorization: Basic"},
	} {
		d, err := openapi.Parse([]byte(tt.document))
		require.NoError(t, err)
		r := httptest.NewRequest("GET", "https://desk.example.com"+tt.target, nil)
		if tt.header != "" {
			r.Header.Set(tt.header, tt.value)
		}
		operation, _ := d.Find("GET", r.URL.Path)
		require.NotNil(t, operation, tt.target)
		assert.Equal(t, tt.missing, operation.Missing(r), "%s with %s: %s", tt.target, tt.header, tt.value)
	}
}
