package registration_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

func validService() registration.Service {
	return registration.Service{
		ID: "f03aafcc-85ad-4665-a46a-bf455f5fa0b3", Identifier: "shop/orders", DisplayName: "Shop - Orders", Provider: "Shop Inc.",
		API: &registration.API{
			TargetURL: "https://shop.example.com/api", Specification: registration.Inline(json.RawMessage(` {"openapi": "3.0.0"}`)),
			Credentials: registration.Credentials{Basic: &registration.BasicCredentials{Username: "u", Password: secret.New("hunter2-password")}},
		},
	}
}

func TestServiceIsChecked(t *testing.T) {
	t.Parallel()
	require.NoError(t, validService().Validate())
	tests := map[string]struct {
		change func(*registration.Service)
		want   string
	}{
		"id":                {func(s *registration.Service) { s.ID = "Orders" }, "not a lower-case UUID"},
		"display name":      {func(s *registration.Service) { s.DisplayName = "___" }, "display name needs"},
		"identifier":        {func(s *registration.Service) { s.Identifier = "" }, "identifier is empty"},
		"nothing":           {func(s *registration.Service) { s.API = nil }, "either an API or events"},
		"both":              {func(s *registration.Service) { s.Events = json.RawMessage(`{}`) }, "either an API or events"},
		"events as text":    {func(s *registration.Service) { s.API, s.Events = nil, json.RawMessage(`"asyncapi: 2.0.0"`) }, "event catalog is not a JSON object"},
		"broken spec":       {func(s *registration.Service) { s.API.Specification = registration.Inline(json.RawMessage(`{"a":`)) }, "specification is not a JSON object"},
		"two kinds":         {func(s *registration.Service) { s.API.Credentials.OAuth = &registration.OAuthCredentials{} }, "more than one kind"},
		"no host":           {func(s *registration.Service) { s.API.TargetURL = "https:///api" }, "target URL has no host"},
		"no scheme":         {func(s *registration.Service) { s.API.TargetURL = "shop.example.com" }, "does not start with https://"},
		"password in a URL": {func(s *registration.Service) { s.API.SpecificationURL = "https://u:hunter2-password@shop.example.com" }, "specification URL has credentials"},
		"unreadable URL":    {func(s *registration.Service) { s.API.CSRFTokenURL = "https://u:hunter2-password@shop example.com/%zz" }, "CSRF token URL cannot be read"},
		"token URL is empty": {func(s *registration.Service) {
			s.API.Credentials = registration.Credentials{OAuth: &registration.OAuthCredentials{}}
		}, "token URL does not start"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := validService()
			test.change(&service)
			err := service.Validate()
			require.ErrorContains(t, err, test.want)
			var config *registration.ConfigError
			require.ErrorAs(t, err, &config)
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
}
