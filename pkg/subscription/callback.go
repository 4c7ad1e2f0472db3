package subscription

import (
	"net/url"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// callback is the address that webhooks of a section call.
type callback struct {
	// full is what the system is told; it may end in a token.
	full secret.Text
	// shown is the same without the token.
	shown string
	// older are addresses, without tokens, that this installation had before.
	older []string
	// token says that full ends in one.
	token bool
}

// newCallback works the address out. Nothing that a system could not call will do.
func newCallback(base string, delivery *connector.Delivery, known []string, in expression.Input) (callback, system.Finding) {
	const next = "give the gateway's public address by --callback-url; the chart makes it of cluster_domain, exposure.domain or exposure.callbackUrl"
	u, err := url.Parse(base)
	switch {
	case base == "":
		return callback{}, system.Misconfigured(next, "the gateway's public address is not known, so that the system cannot be told")
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return callback{}, system.Misconfigured(next, "the gateway's public address does not look like https://host")
	case !strings.Contains(u.Hostname(), ".") && !strings.Contains(u.Host, ":"):
		return callback{}, system.Misconfigured(next, "the gateway's public address %s lacks the cluster's domain", base)
	}
	c := callback{shown: normalAddress(strings.TrimRight(base, "/") + delivery.HTTP.Path)}
	c.full = secret.New(c.shown)
	if verify := delivery.Verify.PathToken; verify != nil {
		e := system.Evaluator{In: in}
		token := ""
		for _, value := range verify.Tokens {
			if token = e.Text(value); token != "" {
				break
			}
		}
		switch {
		case e.Err != nil:
			return callback{}, system.Misconfigured("correct the definition", "the token of the address cannot be evaluated: %v", e.Err)
		case token == "":
			return callback{}, system.Misconfigured("give it a value", "the token of the address is empty")
		}
		c.full, c.token = secret.New(c.shown+"/"+url.PathEscape(token)), true
	}
	for _, older := range known {
		if older != c.shown && strings.HasSuffix(older, delivery.HTTP.Path) {
			c.older = append(c.older, older)
		}
	}
	return c, system.Finding{}
}

// judge says whether an address at the system is ours, and whether it is the present one.
func (c callback) judge(address string) (ours, current bool) {
	address = normalAddress(address)
	if address == normalAddress(c.full.Reveal()) {
		return true, true
	}
	for _, known := range append([]string{c.shown}, c.older...) {
		rest, below := strings.CutPrefix(address, known)
		if below && (rest == "" || c.token && strings.HasPrefix(rest, "/") && !strings.Contains(rest[1:], "/")) {
			return true, false
		}
	}
	return false, false
}

// normalAddress makes equal what differs in how it is written only: the case of scheme and host, the usual
// port, a slash at the end.
func normalAddress(address string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return address
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if u.Scheme == "https" {
		u.Host = strings.TrimSuffix(u.Host, ":443")
	}
	return strings.TrimRight(u.String(), "/")
}

// trimPath takes the delivery's path off an address.
func trimPath(address, path string) string { return strings.TrimSuffix(address, path) }
