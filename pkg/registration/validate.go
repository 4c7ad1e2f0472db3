package registration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
)

var serviceID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// Validate checks what every Catalog relies on: the id is a lower-case UUID, the display name leaves
// something to call the service by, exactly one of API and Events is set, URLs are absolute and hold no
// credentials, documents are JSON objects. The error is a *ConfigError and quotes no document.
func (s Service) Validate() error {
	bad := func(format string, args ...any) error {
		return &ConfigError{What: fmt.Sprintf("service %q: ", s.DisplayName) + fmt.Sprintf(format, args...), Next: "correct the connector definition or its parameters"}
	}
	switch {
	case !serviceID.MatchString(s.ID):
		return bad("the id %q is not a lower-case UUID", s.ID)
	case URLSegment(s.DisplayName) == "":
		return bad("the display name needs at least one letter from a to z or one digit")
	case s.Identifier == "":
		return bad("the identifier is empty")
	case (s.API == nil) == (s.Events == nil):
		return bad("it must have either an API or events")
	case s.Events != nil && !jsonObject(s.Events):
		return bad("the event catalog is not a JSON object")
	case s.API == nil:
		return nil
	case s.API.Specification != nil && !s.API.Specification.checked:
		return bad("the specification is not a JSON object")
	}
	credentials := s.API.Credentials
	kinds := 0
	for _, set := range []bool{credentials.Basic != nil, credentials.OAuth != nil, credentials.ClientCertificate != nil} {
		if set {
			kinds++
		}
	}
	if kinds > 1 {
		return bad("it has more than one kind of credentials")
	}
	addresses := []struct{ what, value string }{{"target URL", s.API.TargetURL}}
	if s.API.SpecificationURL != "" {
		addresses = append(addresses, struct{ what, value string }{"specification URL", s.API.SpecificationURL})
	}
	if s.API.CSRFTokenURL != "" {
		addresses = append(addresses, struct{ what, value string }{"CSRF token URL", s.API.CSRFTokenURL})
	}
	if credentials.OAuth != nil {
		addresses = append(addresses, struct{ what, value string }{"token URL", credentials.OAuth.TokenURL})
	}
	for _, address := range addresses {
		if problem := checkURL(address.value); problem != "" {
			return bad("the %s %s", address.what, problem)
		}
	}
	return nil
}

// checkURL returns what is wrong with an address, without quoting it: it may hold a password.
func checkURL(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "cannot be read"
	case u.Scheme != "https" && u.Scheme != "http":
		return "does not start with https://"
	case u.Hostname() == "":
		return "has no host"
	case u.User != nil:
		return "has credentials in it"
	}
	return ""
}

func jsonObject(document json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimLeft(document, " \t\r\n"), []byte("{")) && json.Valid(document)
}
