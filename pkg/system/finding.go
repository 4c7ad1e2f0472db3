package system

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// Class is the kind of reason behind an outcome. The set is bounded, so that it can label a metric.
type Class string

// The classes of what a call to the system may come to.
const (
	ClassActive        Class = ""              // it answers as it should
	ClassDisabled      Class = "disabled"      // the system does not offer it
	ClassUnauthorized  Class = "unauthorized"  // the system refuses the credentials
	ClassMalformed     Class = "malformed"     // the answer is not what was asked for
	ClassMisconfigured Class = "misconfigured" // the definition or a parameter is wrong
	ClassConflict      Class = "conflict"      // something that is there is in the way
	ClassUnreachable   Class = "unreachable"   // the system gives no usable answer now
)

// Finding is what a call or an evaluation found out: its class, the reason and the next step for the
// person who has to act. Neither quotes what the system answered.
type Finding struct {
	Class        Class
	Reason, Next string
	// Slow says that there was no complete answer in time.
	Slow bool
}

// OK says that nothing is wrong.
func (f Finding) OK() bool { return f.Class == ClassActive }

// Misconfigured is the finding that the definition or a parameter is wrong.
func Misconfigured(next, format string, args ...any) Finding {
	return Finding{Class: ClassMisconfigured, Reason: fmt.Sprintf(format, args...), Next: next}
}

// Hints are the parts of next steps that depend on the definition.
type Hints struct {
	System       string // such as: the parameter "system_url"
	Credentials  string // such as: the parameters "basic_user" and "basic_password"
	WhenDisabled string // how to enable what the system does not offer; empty where it has to be there
	Call         string // what in the definition made the call, such as: the probe
}

// check is the part of the definition that made the call.
func (h Hints) check() string {
	if h.Call == "" {
		return "the probe in the definition"
	}
	return h.Call + " in the definition"
}

// both are the system and the credentials; a token endpoint has one hint for the two.
func (h Hints) both() string {
	if h.System == h.Credentials {
		return h.System
	}
	return h.System + " and " + h.Credentials
}

// JudgeError classifies a call without a usable answer.
func JudgeError(err error, h Hints) Finding {
	f := Finding{Class: ClassUnreachable, Reason: err.Error()}
	var failed *httpclient.Error
	if !errors.As(err, &failed) {
		return f
	}
	switch failed.Kind {
	case httpclient.Invalid:
		f.Class, f.Next = ClassMisconfigured, "check "+h.both()
	case httpclient.Forbidden:
		f.Class, f.Next = ClassMisconfigured, "check "+h.System+"; where the system really is there, --allow-address lets its address be called"
	case httpclient.TLS:
		f.Class, f.Next = ClassMisconfigured, "check "+h.System+"; where the system has a certificate of its own authority, add that to the file that SSL_CERT_FILE names"
	case httpclient.TooLarge:
		f.Class, f.Next = ClassMalformed, "check "+h.System+" and the path in the definition"
	case httpclient.Ended:
		f.Next = "run it again, with a longer --timeout"
	default:
		f.Slow = failed.Kind == httpclient.Timeout
		f.Next = "check " + h.System + ", and that the cluster may connect to that host"
	}
	return f
}

// JudgeStatus classifies an answer by its status. The finding is active where the status is one of want.
func JudgeStatus(request httpclient.Request, answer *httpclient.Response, want []int, h Hints) Finding {
	for _, status := range want {
		if answer.Status == status {
			return Finding{}
		}
	}
	said := Said(request, answer)
	switch s := answer.Status; {
	case s == http.StatusUnauthorized:
		return Finding{Class: ClassUnauthorized, Reason: said + ": the system refuses the credentials", Next: "check " + h.Credentials}
	case s == http.StatusForbidden && h.WhenDisabled != "":
		return Finding{Class: ClassDisabled, Reason: said + ": not enabled for this user", Next: h.WhenDisabled}
	case s == http.StatusForbidden:
		return Finding{Class: ClassUnauthorized, Reason: said + ": the user may not call it", Next: "give the user of " + h.Credentials + " the permission"}
	case (s == http.StatusNotFound || s == http.StatusGone) && h.WhenDisabled != "":
		return Finding{Class: ClassDisabled, Reason: said + ": the system does not offer it", Next: h.WhenDisabled}
	case s == http.StatusNotFound || s == http.StatusGone:
		return Misconfigured("check "+h.System+" and the path in the definition", "%s: there is nothing at this address", said)
	case s == http.StatusTooManyRequests || s >= 500:
		return Finding{Class: ClassUnreachable, Reason: said, Next: "run it again later"}
	case s >= 300 && s < 400:
		return Finding{Class: ClassMalformed, Reason: said + redirectTarget(answer), Next: "check " + h.both()}
	}
	return Misconfigured("check "+h.System+" and "+h.check(), "%s", said)
}

// Said tells a call and the status of its answer.
func Said(request httpclient.Request, answer *httpclient.Response) string {
	return fmt.Sprintf("%s %s answered %d", request.Method, httpclient.Address(request.URL), answer.Status)
}

func redirectTarget(answer *httpclient.Response) string {
	location, err := url.Parse(answer.Header.Get("Location"))
	if err != nil || location.Host == "" {
		return ": a redirect that leads nowhere, probably to a login page"
	}
	return ": a redirect to the host " + Printable(location.Host, 100) + ", probably to a login page"
}

func unprintable(r rune) bool {
	return unicode.IsControl(r) || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// Named joins parameter names for a sentence: the parameters "a" and "b". Without names it is otherwise.
func Named(parameters []string, otherwise string) string {
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

// Printable makes text that others wrote fit for a line of a report: no control characters, nothing that turns
// the direction of writing, and at most limit characters.
func Printable(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(text, unprintable), " ")
	text = strings.ToValidUTF8(strings.TrimSpace(text), "")
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}
