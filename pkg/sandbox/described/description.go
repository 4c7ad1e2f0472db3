// Package described makes a simulated system of a connector's definition, for systems that have no simulator of
// their own: it serves the APIs that the definition names, demands what the definition signs in with, keeps the
// webhooks that it registers, and sends the recorded deliveries as new ones.
package described

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// describer evaluates a definition for one system. It keeps the first error.
type describer struct {
	definition *connector.Definition
	params     *connector.Params
	in         expression.Input
	answers    []sample.SystemAnswer
	err        error
}

// describe evaluates everything that a caller of the system sees.
func describe(d *connector.Definition, params *connector.Params, recorded []recording, answers []sample.SystemAnswer) (simulator.Description, error) {
	s := &describer{definition: d, params: params, in: params.Input(), answers: answers}
	out := simulator.Description{
		Name: d.Metadata.DisplayName, URL: strings.TrimRight(s.text(d.System.URL, "system.url"), "/"), Access: s.access(d.System.Auth), Documents: map[string][]byte{},
	}
	for i := range d.APIs {
		api := &d.APIs[i]
		if !s.bool(api.Enabled, "enabled") {
			continue
		}
		if api.Discover != nil {
			out.APIs = append(out.APIs, s.discovered(api, out.URL)...)
			continue
		}
		described := s.api(api, out.URL)
		out.APIs = append(out.APIs, described)
		if spec := api.Specification; spec != nil && spec.URL.IsSet() {
			out.Documents[s.text(spec.URL, "specification.url")] = emptyDocument(d)
		}
	}
	for _, a := range answers {
		out.Answers = append(out.Answers, simulator.Page{Method: a.Method, Path: a.Path, Status: a.Status, Body: a.JSON})
	}
	for i := range d.Relay {
		out.Intakes = append(out.Intakes, s.intake(&d.Relay[i].To))
	}
	for _, r := range recorded {
		out.Recorded = append(out.Recorded, r.Recorded)
	}
	for i := range d.Webhooks {
		if hooks, ok := s.hooks(&d.Webhooks[i], recorded); ok {
			out.Hooks = append(out.Hooks, hooks)
		}
	}
	return out, s.err
}

func (s *describer) keep(what string, err error) {
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("simulate the system: %s: %w", what, err)
	}
}

func (s *describer) text(v connector.Value, what string) string {
	text, err := v.Text(s.in)
	s.keep(what, err)
	return text
}

func (s *describer) bool(v connector.Value, what string) bool {
	if v.Uses("item", "itemJSON", "index") {
		return true // a question for each item of a listing
	}
	value, err := v.Bool(s.in, true)
	s.keep(what, err)
	return value
}

// access are the ways to sign in that the parameters are enough for: the system takes them all.
func (s *describer) access(list connector.AuthList) []simulator.Access {
	var out []simulator.Access
	for _, auth := range list.Usable(s.params) {
		out = append(out, s.oneAccess(auth))
	}
	return out
}

func (s *describer) oneAccess(a *connector.Auth) simulator.Access {
	const what = "auth"
	switch {
	case a.Basic != nil:
		return simulator.BasicAccess(s.text(a.Basic.Username, what), s.text(a.Basic.Password, what))
	case a.APIKey != nil && a.APIKey.Header != "":
		return simulator.Access{Headers: map[string]string{a.APIKey.Header: s.text(a.APIKey.Value, what)}}
	case a.APIKey != nil:
		return simulator.Access{Query: map[string][]string{a.APIKey.Query: {s.text(a.APIKey.Value, what)}}}
	case a.Header != nil:
		return simulator.Access{Headers: s.texts(a.Header, what)}
	case a.Query != nil:
		return simulator.Access{Query: s.lists(a.Query, what)}
	case a.OAuth2 != nil:
		return simulator.Access{OAuth2: s.oauth(a.OAuth2)}
	case a.JWT != nil:
		return simulator.Access{JWT: s.jwt(a.JWT)}
	case a.Signed != nil:
		return simulator.Access{Signed: &simulator.SignedAccess{UserKey: s.text(a.Signed.UserKey, what), Secret: s.text(a.Signed.Secret, what)}}
	case a.ClientCertificate != nil:
		return simulator.Access{Certificate: pemOf(s.text(a.ClientCertificate.Certificate, what))}
	}
	return simulator.Access{} // none: everybody may call
}

func (s *describer) texts(values map[string]connector.Value, what string) map[string]string {
	out := map[string]string{}
	for name, value := range values {
		out[name] = s.text(value, what)
	}
	return out
}

func (s *describer) lists(values map[string]connector.Value, what string) map[string][]string {
	out := map[string][]string{}
	for name, value := range values {
		list, err := value.List(s.in)
		s.keep(what, err)
		out[name] = list
	}
	return out
}

func (s *describer) oauth(o *connector.OAuth2Auth) *simulator.OAuth2Access {
	const what = "auth.oauth2"
	out := &simulator.OAuth2Access{
		URL: s.text(o.TokenURL, what), ClientID: s.text(o.ClientID, what), ClientSecret: s.text(o.ClientSecret, what), InBody: o.Style == "body",
		Form: s.texts(o.Form, what), Headers: s.texts(o.Headers, what),
	}
	if out.Form["grant_type"] == "" {
		out.Form["grant_type"] = "client_credentials"
	}
	scopes := make([]string, len(o.Scopes))
	for i, scope := range o.Scopes {
		scopes[i] = s.text(scope, what)
	}
	if len(scopes) > 0 {
		out.Form["scope"] = strings.Join(scopes, " ")
	}
	return out
}

func (s *describer) jwt(j *connector.JWTAuth) *simulator.JWTAccess {
	out := &simulator.JWTAccess{
		Key: pemOf(s.text(j.Key, "auth.jwt")), KeyID: s.text(j.KeyID, "auth.jwt"), Expires: j.Lifetime > 0, Claims: map[string]json.RawMessage{},
	}
	for name, claim := range j.Claims {
		if claim.Uses("nonce") {
			continue // different each time
		}
		value, err := claim.JSON(s.in)
		s.keep("auth.jwt.claims."+name, err)
		if value != nil {
			out.Claims[name] = value
		}
	}
	return out
}

// pemOf gives a PEM text its line breaks back, which the fields of a form take away.
func pemOf(text string) []byte {
	text = strings.ReplaceAll(text, `\n`, "\n")
	if strings.Contains(strings.TrimSpace(text), "\n") {
		return []byte(text)
	}
	parts := regexp.MustCompile(`^\s*(-----BEGIN [^-]+-----)(.*?)(-----END [^-]+-----)\s*$`).FindStringSubmatch(text)
	if parts == nil {
		return []byte(text)
	}
	return []byte(parts[1] + "\n" + strings.Join(strings.Fields(parts[2]), "\n") + "\n" + parts[3] + "\n")
}

// api describes an API that the definition lists.
func (s *describer) api(api *connector.API, base string) simulator.DescribedAPI {
	what := "API " + api.ID
	auth := api.Auth
	if len(auth) == 0 {
		auth = s.definition.System.Auth
	}
	out := simulator.DescribedAPI{Access: s.access(auth), CSRF: api.CSRF}
	for _, path := range api.Paths {
		if text := s.text(path, what); text != "" {
			out.Path = below(base, text)
			break
		}
	}
	if api.RequestParameters != nil {
		out.Demanded = s.demanded(api.RequestParameters)
	}
	if api.Kind == connector.KindOData {
		out.EntitySets = api.EntitySets
		if len(out.EntitySets) == 0 {
			out.EntitySets = []string{"ExampleCollection"}
		}
	}
	if spec := api.Specification; spec != nil {
		if spec.File != "" && api.Kind != connector.KindOData {
			document, err := s.definition.Document(spec.File)
			s.keep(what, err)
			if isOpenAPI(document) {
				out.OpenAPI = document
			}
		}
		if spec.Path.IsSet() {
			out.Pages = append(out.Pages, simulator.Page{Method: http.MethodGet, Path: below(base, s.text(spec.Path, what)), Body: emptyDocument(s.definition)})
		}
	}
	if page, ok := s.probe(api, out.Path, base); ok {
		out.Pages = append(out.Pages, page)
	}
	if api.Kind != connector.KindOData {
		out.Pages = append(out.Pages, simulator.Page{Method: http.MethodGet, Path: out.Path})
	}
	return out
}

// demanded are the request parameters that are secret: what else is sent to every system does no harm.
func (s *describer) demanded(p *connector.RequestParameters) simulator.Access {
	isSecret := func(v connector.Value) bool {
		return slices.ContainsFunc(v.Parameters(), func(name string) bool {
			return s.definition.Parameters[name].Kind == connector.KindSecret && s.params.Has(name)
		})
	}
	out := simulator.Access{Headers: map[string]string{}, Query: map[string][]string{}}
	for name, value := range s.texts(p.Headers, "requestParameters") {
		if isSecret(p.Headers[name]) && value != "" {
			out.Headers[name] = value
		}
	}
	for name, values := range s.lists(p.Query, "requestParameters") {
		if isSecret(p.Query[name]) && len(values) > 0 {
			out.Query[name] = values
		}
	}
	return out
}

// probe is the page that the registration asks for, unless the OData service answers it.
func (s *describer) probe(api *connector.API, path, base string) (simulator.Page, bool) {
	page := simulator.Page{Method: http.MethodGet, Path: path}
	if probe := api.Probe; probe != nil {
		if probe.Method != "" {
			page.Method = probe.Method
		}
		if len(probe.Status) > 0 {
			page.Status = probe.Status[0]
		}
		if probe.Path.IsSet() {
			page.Path, _, _ = strings.Cut(below(base, s.text(probe.Path, "probe.path")), "?")
		}
	}
	served := api.Kind == connector.KindOData && strings.HasPrefix(page.Path+"/", path+"/")
	return page, !served
}

// discovered are the listing of a discovery and the APIs that it lists: those of the recorded answer.
func (s *describer) discovered(api *connector.API, base string) []simulator.DescribedAPI {
	listing := s.listing(api)
	out := []simulator.DescribedAPI{listing}
	i := slices.IndexFunc(s.answers, func(a sample.SystemAnswer) bool {
		return a.Method == http.MethodGet && a.Path == listing.Path
	})
	if i < 0 {
		return out
	}
	items := gjson.ParseBytes(s.answers[i].JSON)
	if api.Discover.Items != "" {
		items = gjson.GetBytes(s.answers[i].JSON, api.Discover.Items)
	}
	in := s.in
	for index, item := range items.Array() {
		s.in.Item, s.in.Index = []byte(item.Raw), index
		included, err := api.Discover.Include.Bool(s.in, true)
		s.keep("discover.include", err)
		enabled, err := api.Enabled.Bool(s.in, true)
		s.keep("enabled", err)
		if included && enabled {
			out = append(out, s.api(api, base))
		}
	}
	s.in = in
	return out
}

// listing is the answer to a discovery where none is recorded: nothing, since the definition does not say what an
// item looks like.
func (s *describer) listing(api *connector.API) simulator.DescribedAPI {
	path, _, _ := strings.Cut(s.text(api.Discover.Get, "discover.get"), "?")
	body := []byte("[]")
	if items := api.Discover.Items; items != "" && items != "@this" {
		var list any = []any{}
		for _, name := range slices.Backward(strings.Split(items, ".")) {
			list = map[string]any{name: list}
		}
		var err error
		body, err = json.Marshal(list)
		s.keep("discover.items", err)
	}
	return simulator.DescribedAPI{Path: path, Access: s.access(s.definition.System.Auth), Pages: []simulator.Page{{Method: http.MethodGet, Path: path, Body: body}}}
}

func (s *describer) intake(to *connector.RelayTo) simulator.Intake {
	method, path := to.Method()
	return simulator.Intake{Method: method, Path: s.text(path, "relay.to"), Single: s.text(to.Single, "relay.to.single"), Format: to.Format}
}

// below is a path below the system's address, of a path or a complete address.
func below(base, path string) string {
	if rest, ok := strings.CutPrefix(path, base); ok && strings.Contains(path, "://") {
		path = rest
	}
	return strings.TrimRight("/"+strings.TrimLeft(path, "/"), "/")
}

func isOpenAPI(document []byte) bool {
	var root struct{ OpenAPI, Swagger any }
	return json.Unmarshal(document, &root) == nil && (root.OpenAPI != nil || root.Swagger != nil)
}

// emptyDocument is an OpenAPI document without paths, for those that a system keeps by itself.
func emptyDocument(d *connector.Definition) []byte {
	title, err := json.Marshal(d.Metadata.DisplayName)
	if err != nil {
		title = []byte(`""`) // a text is always JSON
	}
	return []byte(`{"openapi":"3.0.3","info":{"title":` + string(title) + `,"version":"1"},"paths":{}}`)
}
