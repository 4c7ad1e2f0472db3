package registration

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// candidate is one API that may be registered, found in the definition or in a listing of the system.
type candidate struct {
	api               *connector.API
	id                string
	name, description string
	// addresses are the alternatives of where it may be, each complete.
	addresses []string
	in        expression.Input
	auth      *authorization
	hints     hints
	// found is why it cannot be probed; active where it can.
	found finding
}

// maxName and maxDescription bound texts that the system sends.
const (
	maxName        = 120
	maxDescription = 1000
)

// system is the evaluated system of a definition: its address and how to call it.
type system struct {
	definition *connector.Definition
	params     *connector.Params
	in         expression.Input
	base       string
	hint       string
}

// newSystem evaluates and checks the system's address.
func newSystem(d *connector.Definition, params *connector.Params) (*system, finding) {
	s := &system{definition: d, params: params, in: params.Input(), hint: named(d.System.URL.Parameters(), "the system's URL in the definition")}
	base, err := d.System.URL.Text(s.in)
	if err != nil {
		return nil, misconfigured("check "+s.hint, "the system's URL cannot be evaluated: %v", err)
	}
	next := "check " + s.hint + ": it must look like https://host"
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, misconfigured(next, "the system's URL cannot be parsed")
	case u.Scheme != "https":
		return nil, misconfigured(next, "the system's URL does not begin with https://")
	case u.Hostname() == "":
		return nil, misconfigured(next, "the system's URL has no host")
	case u.User != nil:
		return nil, misconfigured(next+" without user and password", "the system's URL has credentials in it")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, misconfigured(next, "the system's URL has a query or a fragment")
	}
	s.base = strings.TrimRight(base, "/")
	return s, finding{}
}

// resolve makes a complete address of a path below the system, or of a complete address at the system.
func (s *system) resolve(path string) (string, error) {
	address := path
	if !strings.Contains(path, "://") {
		address = s.base
		if path != "" {
			address += "/" + strings.TrimLeft(path, "/")
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("the path cannot be parsed")
	}
	base, err := url.Parse(s.base)
	if err != nil {
		return "", fmt.Errorf("the system's URL cannot be parsed")
	}
	if u.Scheme != base.Scheme || u.Host != base.Host || u.User != nil {
		return "", fmt.Errorf("it leads to another host (%s)", printable(u.Host, 100))
	}
	return address, nil
}

// authorize selects and evaluates the way to call one API.
func (s *system) authorize(list connector.AuthList, in expression.Input) (*authorization, finding) {
	if len(list) == 0 {
		list = s.definition.System.Auth
	}
	auth, err := s.definition.SelectAuth(list, s.params)
	if err != nil {
		return nil, finding{class: ClassMisconfigured, reason: err.Error()}
	}
	return newAuthorization(auth, in)
}

// candidate evaluates the fields of an API for one item of a listing, or for none. It never fails: what is
// wrong with an API is its own finding.
func (s *system) candidate(api *connector.API, id string, in expression.Input) *candidate {
	c := &candidate{api: api, id: id, in: in, name: id}
	e := evaluator{in: in}
	if name := printable(e.text(api.Name), maxName); name != "" {
		c.name = name
	}
	c.description = printable(e.text(api.Description), maxDescription)
	c.hints = hints{system: s.hint, whenDisabled: e.text(api.WhenDisabled)}
	if api.Discover != nil && c.hints.whenDisabled == "" {
		c.hints.whenDisabled = "enable it in the system for this user, if it is wanted"
	}
	if c.description == "" {
		c.description = c.name
	}
	enabled, err := api.Enabled.Bool(in, true)
	if err != nil && e.err == nil {
		e.err = err
	}
	if !enabled && e.err == nil {
		c.found = finding{class: ClassSwitchedOff, reason: "switched off", next: "see " + named(api.Enabled.Parameters(), "the definition")}
		return c
	}
	for _, value := range api.Paths {
		path := e.text(value)
		if path == "" && e.err == nil {
			continue // an alternative that depends on a parameter without a value
		}
		address, err := s.resolve(path)
		if err != nil {
			c.found = misconfigured("check the path of API \""+c.id+"\"", "its path cannot be used: %v", err)
			return c
		}
		if api.Kind == connector.KindOData && !strings.HasSuffix(address, "/") && !strings.Contains(address, "?") {
			address += "/"
		}
		c.addresses = append(c.addresses, address)
	}
	switch {
	case e.err != nil:
		c.found = misconfigured("correct the definition", "it cannot be evaluated: %v", e.err)
		return c
	case len(api.Paths) == 0:
		c.addresses = []string{s.base}
	case len(c.addresses) == 0:
		c.found = misconfigured("check the path of API \""+c.id+"\"", "none of its paths has a value")
		return c
	}
	auth, f := s.authorize(api.Auth, in)
	if f.class != ClassActive {
		c.found = f
		return c
	}
	c.hints.credentials = auth.hint
	if c.auth, err = auth.withParameters(api.RequestParameters, in); err != nil {
		c.found = misconfigured("correct the definition", "its request parameters cannot be evaluated: %v", err)
	}
	return c
}

// identity makes ids: they depend on the Application, the installation and the API, and on nothing else.
type identity struct{ application, instance string }

func (i identity) id(api string) string {
	namespace := uuid.NewSHA1(uuid.NameSpaceDNS, []byte("services.kyma-connectors.io"))
	return uuid.NewSHA1(namespace, []byte(i.application+"\x00"+i.instance+"\x00"+api)).String()
}

func (i identity) identifier(api string) string { return i.instance + "/" + api }
