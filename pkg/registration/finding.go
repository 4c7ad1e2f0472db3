package registration

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// Class is the kind of reason behind an outcome. The set is bounded, so that it can label a metric.
type Class string

// The classes.
const (
	ClassActive        Class = ""              // the API answers
	ClassSwitchedOff   Class = "switched-off"  // the parameters switch it off
	ClassDisabled      Class = "disabled"      // the system does not offer it
	ClassUnauthorized  Class = "unauthorized"  // the system refuses the credentials
	ClassMalformed     Class = "malformed"     // the answer is not one of this API
	ClassMisconfigured Class = "misconfigured" // the definition or a parameter is wrong
	ClassConflict      Class = "conflict"      // a registered service is in the way
	ClassRefused       Class = "refused"       // Kyma refuses it, for good
	ClassUnreachable   Class = "unreachable"   // the system gives no usable answer now
	ClassWrite         Class = "write"         // Kyma did not take it now
	ClassPolicy        Class = "policy"        // the policy leaves it as it is
	ClassMissing       Class = "missing"       // not registered, or not as it should be (verify)
)

// retryable says whether a failure of this class may go away by itself.
func (c Class) retryable() bool {
	return c == ClassUnreachable || c == ClassWrite || c == ClassMissing
}

// finding is what a probe or an evaluation found out: its class, the reason and the next step for the
// person who has to act. Neither quotes what the system answered.
type finding struct {
	class        Class
	reason, next string
}

func misconfigured(next, format string, args ...any) finding {
	return finding{class: ClassMisconfigured, reason: fmt.Sprintf(format, args...), next: next}
}

// hints are the parts of next steps that depend on the definition.
type hints struct {
	system       string // such as: the parameter "system_url"
	credentials  string // such as: the parameters "basic_user" and "basic_password"
	whenDisabled string
}

// judgeError classifies a call without a usable answer.
func judgeError(err error, h hints) finding {
	var failed *httpclient.Error
	if !errors.As(err, &failed) {
		return finding{class: ClassUnreachable, reason: err.Error()}
	}
	f := finding{class: ClassUnreachable, reason: err.Error()}
	switch failed.Kind {
	case httpclient.Invalid:
		f.class, f.next = ClassMisconfigured, "check "+h.system+" and "+h.credentials
	case httpclient.TLS:
		f.class, f.next = ClassMisconfigured, "check "+h.system+"; where the system has a certificate of its own authority, add that to the file that SSL_CERT_FILE names"
	case httpclient.TooLarge:
		f.class, f.next = ClassMalformed, "check "+h.system+" and the path in the definition"
	case httpclient.Ended:
		f.next = "run it again, with a longer --timeout"
	default:
		f.next = "check " + h.system + ", and that the cluster may connect to that host"
	}
	return f
}

// judgeStatus classifies an answer by its status. The finding is active where the status is one of want.
func judgeStatus(request httpclient.Request, answer *httpclient.Response, want []int, h hints) finding {
	for _, status := range want {
		if answer.Status == status {
			return finding{}
		}
	}
	said := fmt.Sprintf("%s %s answered %d", request.Method, httpclient.Address(request.URL), answer.Status)
	switch s := answer.Status; {
	case s == http.StatusUnauthorized:
		return finding{ClassUnauthorized, said + ": the system refuses the credentials", "check " + h.credentials}
	case s == http.StatusForbidden && h.whenDisabled != "":
		return finding{ClassDisabled, said + ": not enabled for this user", h.whenDisabled}
	case s == http.StatusForbidden:
		return finding{ClassUnauthorized, said + ": the user may not call it", "give the user of " + h.credentials + " the permission"}
	case (s == http.StatusNotFound || s == http.StatusGone) && h.whenDisabled != "":
		return finding{ClassDisabled, said + ": the system does not offer it", h.whenDisabled}
	case s == http.StatusNotFound || s == http.StatusGone:
		return misconfigured("check "+h.system+" and the path in the definition", "%s: there is nothing at this address", said)
	case s == http.StatusTooManyRequests || s >= 500:
		return finding{ClassUnreachable, said, "run it again later"}
	case s >= 300 && s < 400:
		return finding{ClassMalformed, said + redirectTarget(answer), "check " + h.system + " and " + h.credentials}
	}
	return misconfigured("check "+h.system+" and the probe in the definition", "%s", said)
}

func redirectTarget(answer *httpclient.Response) string {
	location, err := url.Parse(answer.Header.Get("Location"))
	if err != nil || location.Host == "" {
		return ": a redirect that leads nowhere, probably to a login page"
	}
	return ": a redirect to the host " + printable(location.Host, 100) + ", probably to a login page"
}

// named joins parameter names for a sentence: the parameters "a" and "b".
func named(parameters []string, otherwise string) string {
	switch len(parameters) {
	case 0:
		return otherwise
	case 1:
		return fmt.Sprintf("the parameter %q", parameters[0])
	}
	quoted := make([]string, len(parameters))
	for i, p := range parameters {
		quoted[i] = fmt.Sprintf("%q", p)
	}
	return "the parameters " + strings.Join(quoted[:len(quoted)-1], ", ") + " and " + quoted[len(quoted)-1]
}

// printable makes text that others wrote fit for a line of a report: no control characters, bounded.
func printable(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' }), " ")
	text = strings.ToValidUTF8(strings.TrimSpace(text), "")
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}
