package registration

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// candidate is one API that may be registered, found in the definition or in a listing of the system.
type candidate struct {
	api               *connector.API
	id                string
	name, description string
	// addresses are the alternatives of where it may be, each complete.
	addresses []string
	in        expression.Input
	auth      *system.Authorization
	hints     system.Hints
	// found is why it cannot be probed; active where it can.
	found finding
}

// maxName and maxDescription bound texts that the system sends.
const (
	maxName        = 120
	maxDescription = 1000
	maxAddress     = 2000
)

// newCandidate evaluates the fields of an API for one item of a listing, or for none. It never fails: what is
// wrong with an API is its own finding.
func newCandidate(s *system.Client, api *connector.API, id string, in expression.Input) *candidate {
	c := &candidate{api: api, id: id, in: in, name: id}
	e := system.Evaluator{In: in}
	if name := system.Printable(e.Text(api.Name), maxName); name != "" {
		c.name = name
	}
	c.description = system.Printable(e.Text(api.Description), maxDescription)
	c.hints = system.Hints{System: s.Hint(), WhenDisabled: system.Printable(e.Text(api.WhenDisabled), maxDescription)}
	if api.Discover != nil && c.hints.WhenDisabled == "" {
		c.hints.WhenDisabled = "enable it in the system for this user, if it is wanted"
	}
	if c.description == "" {
		c.description = c.name
	}
	enabled := e.Bool(api.Enabled, true)
	if !enabled && e.Err == nil {
		c.found = finding{Class: ClassSwitchedOff, Reason: "switched off", Next: "see " + system.Named(api.Enabled.Parameters(), "the definition")}
		return c
	}
	for _, value := range api.Paths {
		path := e.Text(value)
		if path == "" && e.Err == nil {
			continue // an alternative that depends on a parameter without a value
		}
		address, err := s.Resolve(path)
		if err == nil && len(address) > maxAddress {
			err = fmt.Errorf("its address is longer than %d characters", maxAddress)
		}
		if err != nil {
			c.found = system.Misconfigured("check the path of API \""+c.id+"\"", "its path cannot be used: %v", err)
			return c
		}
		if api.Kind == connector.KindOData && !strings.HasSuffix(address, "/") && !strings.Contains(address, "?") {
			address += "/"
		}
		c.addresses = append(c.addresses, address)
	}
	switch {
	case e.Err != nil:
		c.found = system.Misconfigured("correct the definition", "it cannot be evaluated: %v", e.Err)
		return c
	case len(api.Paths) == 0:
		c.addresses = []string{s.Base()}
	case len(c.addresses) == 0:
		c.found = system.Misconfigured("check the path of API \""+c.id+"\"", "none of its paths has a value")
		return c
	}
	auth, f := s.Authorize(api.Auth, in)
	if !f.OK() {
		c.found = f
		return c
	}
	c.hints.Credentials = auth.Hint
	var err error
	if c.auth, err = auth.With(api.RequestParameters, in); err != nil {
		c.found = system.Misconfigured("correct the definition", "its request parameters cannot be evaluated: %v", err)
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
