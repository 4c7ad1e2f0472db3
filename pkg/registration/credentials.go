package registration

import (
	"fmt"
	"maps"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// CredentialJudge is what a Catalog may implement too, where the Kyma behind it cannot hold every kind of
// Credentials.
type CredentialJudge interface {
	// Refuses says why credentials of this kind cannot be held; empty where they can.
	Refuses(c Credentials) string
}

// keepCredentials gives the API what Kyma's gateway has to add to each call, and returns that and what has to be said
// about it. The probe used the first way to sign in; where Kyma cannot, it gets the first one that it can.
func (b builder) keepCredentials(api *API, p probed) (kept *system.Authorization, note string) {
	why := b.refuses(p.auth)
	if why == "" {
		b.fill(api, p.auth)
		return p.auth, tokenNote(p.auth)
	}
	fits := func(a *system.Authorization) bool { return b.refuses(a) == "" }
	if other := b.system.AuthorizeFirst(p.api.Auth, p.in, fits); other != nil {
		with, err := other.With(p.api.RequestParameters, p.in)
		if err == nil {
			b.fill(api, with)
			return with, fmt.Sprintf("%s, so that it signs in by %q instead of %q", why, other.Kind, p.auth.Kind)
		}
	}
	none := withoutAuth(p.api.RequestParameters, p.in)
	b.fill(api, none)
	note = fmt.Sprintf("%s, so that the API is registered without credentials: workloads have to sign their calls themselves", why)
	if p.api.CSRF {
		api.CSRFTokenURL = ""
		note += ", and to fetch CSRF tokens"
	}
	return none, note
}

// withoutAuth are the request parameters alone.
func withoutAuth(p *connector.RequestParameters, in expression.Input) *system.Authorization {
	none := &system.Authorization{Kind: system.KindNone, Headers: map[string][]secret.Text{}, Query: map[string][]secret.Text{}}
	if with, err := none.With(p, in); err == nil {
		return with
	}
	return none
}

// refuses says why Kyma's gateway cannot sign in like that; empty where it can.
func (b builder) refuses(a *system.Authorization) string {
	switch {
	case a.Kind == system.KindJWT, a.Kind == system.KindSigned:
		return "Kyma's gateway cannot sign calls"
	case a.OAuth != nil && a.OAuth.Grant != system.ClientCredentials:
		return fmt.Sprintf("Kyma's gateway cannot get tokens by the grant %q", a.OAuth.Grant)
	case b.judge != nil:
		return b.judge.Refuses(credentialsOf(a))
	}
	return ""
}

// tokenNote warns of the one thing about token calls that Kyma's gateway does in another way.
func tokenNote(a *system.Authorization) string {
	if a.OAuth == nil || len(a.OAuth.Form) == 0 {
		return ""
	}
	return "Kyma's gateway sends the further fields of the token call in the query, not in the form: check that the token endpoint takes them there"
}

func (b builder) fill(api *API, a *system.Authorization) {
	api.Credentials, api.Headers, api.Query = credentialsOf(a), a.Headers, a.Query
}

func credentialsOf(a *system.Authorization) Credentials {
	var c Credentials
	switch {
	case a.Basic != nil:
		c.Basic = &BasicCredentials{Username: a.Basic.Username, Password: a.Basic.Password}
	case a.OAuth != nil:
		// Kyma sends client id and secret both as a Basic header and in the form; it can add headers and a
		// query, but no form fields.
		c.OAuth = &OAuthCredentials{TokenURL: a.OAuth.TokenURL, ClientID: a.OAuth.ClientID, ClientSecret: a.OAuth.ClientSecret,
			Headers: maps.Clone(a.OAuth.Headers), Query: maps.Clone(a.OAuth.Form)}
	case a.Certificate != nil:
		c.ClientCertificate = &ClientCertificate{Certificate: a.Certificate.Certificate, Key: a.Certificate.Key}
	}
	return c
}
