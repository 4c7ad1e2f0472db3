package kube

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// maxQuoted is the number of bytes of the API server's own words that an error repeats.
const maxQuoted = 300

// IsNotFound says that the object, or its whole resource, does not exist.
func IsNotFound(err error) bool { return apierrors.IsNotFound(err) }

// IsNotServed says that the cluster does not know the resource at all: its definition is not installed.
func IsNotServed(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || details.Name == ""
}

// IsConflict says that somebody else changed the object since it was read.
func IsConflict(err error) bool { return apierrors.IsConflict(err) }

// IsExists says that an object of that name exists already.
func IsExists(err error) bool { return apierrors.IsAlreadyExists(err) }

// IsForbidden says that this account lacks a right.
func IsForbidden(err error) bool { return apierrors.IsForbidden(err) }

// IsRetryable says that the same call may succeed later: the cluster was busy, or its answer was lost (the
// write may have happened).
func IsRetryable(err error) bool {
	var config *registration.ConfigError
	if err == nil || errors.As(err, &config) {
		return false
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	return code == http.StatusTooManyRequests || code >= http.StatusInternalServerError
}

// answered says that the API server answered at all.
func answered(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status)
}

// reason is an API server's refusal in short. It keeps the error itself for errors.As.
type reason struct {
	text string
	err  error
}

func (r reason) Error() string { return r.text }
func (r reason) Unwrap() error { return r.err }

// explain says what was refused, and what to do about it. The API server's own words are repeated only for
// objects that hold no secret.
func explain(err error, verb string, ref Ref) error {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		var certificate *tls.CertificateVerificationError
		if errors.As(err, &certificate) {
			return &registration.ConfigError{What: "the cluster's certificate is not trusted", Next: "check certificate-authority in the kubeconfig", Err: err}
		}
		return fmt.Errorf("%s %s: %w", verb, ref, noStatus(err))
	}
	code := int(status.Status().Code)
	said := quote(status.Status().Message)
	if ref.Resource.Resource == "secrets" || said == "" {
		said = strings.ToLower(http.StatusText(code))
	}
	why := reason{text: fmt.Sprintf("%s (%d)", said, code), err: err}
	switch {
	case apierrors.IsUnauthorized(err):
		return &registration.ConfigError{What: "the cluster does not accept this account's credentials", Next: "renew the token or certificate in the kubeconfig, or check the pod's service account", Err: reason{text: "unauthorized (401)", err: err}}
	case apierrors.IsForbidden(err) && strings.Contains(status.Status().Message, "is being terminated"):
		return fmt.Errorf("%s %s: %w", verb, ref, reason{text: "the namespace is being removed", err: err})
	case apierrors.IsForbidden(err):
		return &registration.ConfigError{
			What: fmt.Sprintf("this account may not %s %s", verb, ref),
			Next: allow(verb, ref, status.Status().Message),
			Err:  reason{text: "forbidden (403)", err: err},
		}
	case IsNotServed(err):
		return fmt.Errorf("%s %s: %w", verb, ref, reason{text: "the cluster does not serve " + resourceGroup(ref), err: err})
	case apierrors.IsNotFound(err) && verb == "create":
		return &registration.ConfigError{What: "namespace " + ref.Namespace + " does not exist", Next: "create it, or name the right one", Err: why}
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s %s: %w", verb, ref, reason{text: "it does not exist", err: err})
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%s %s: %w", verb, ref, reason{text: "it exists already", err: err})
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s %s: %w", verb, ref, reason{text: "somebody else changed it meanwhile", err: err})
	case code == http.StatusRequestEntityTooLarge || strings.Contains(status.Status().Message, "request is too large"):
		return &registration.ConfigError{What: fmt.Sprintf("%s %s: the object is too large for the cluster", verb, ref), Next: "register fewer APIs in one Application", Err: reason{text: fmt.Sprintf("refused (%d)", code), err: err}}
	case code == http.StatusTooManyRequests, code >= http.StatusInternalServerError:
		return fmt.Errorf("%s %s: %w", verb, ref, why)
	}
	return &registration.ConfigError{What: fmt.Sprintf("the cluster refuses to %s %s", verb, ref), Next: "correct what it names", Err: why}
}

// noStatus says why there is no answer that can be used. What the decoder says is left out: it quotes the
// object.
func noStatus(err error) error {
	var transport *url.Error
	var large *oversize
	switch {
	case errors.As(err, &large):
		return large
	case errors.As(err, &transport):
		return reason{text: "the cluster gave no answer: " + transport.Err.Error(), err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the cluster gave no answer: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("the connection to the cluster broke")
	}
	return errors.New("the cluster's answer is not understood")
}

// whoIsRefused finds the user in the API server's words.
var whoIsRefused = regexp.MustCompile(`User "([^"]+)" cannot `)

// allow says what to allow, to whom, and how to see that it is.
func allow(verb string, ref Ref, said string) string {
	who, as := "this account", ""
	if found := whoIsRefused.FindStringSubmatch(said); found != nil {
		user := quote(found[1])
		who, as = "the user "+user, " --as "+user
		if account, is := strings.CutPrefix(user, "system:serviceaccount:"); is {
			who = "the service account " + strings.Replace(account, ":", "/", 1)
		}
	}
	object := resourceGroup(ref)
	if ref.Name != "" && verb != "create" {
		object += "/" + ref.Name
	}
	return fmt.Sprintf("allow the verb %s on %s to %s (kubectl auth can-i %s %s%s%s shows it)", verb, resourceGroup(ref), who, verb, object, namespaceFlag(ref), as)
}

func resourceGroup(ref Ref) string {
	if ref.Resource.Group == "" {
		return ref.Resource.Resource
	}
	return ref.Resource.Resource + "." + ref.Resource.Group
}

func namespaceFlag(ref Ref) string {
	if ref.Namespace == "" {
		return ""
	}
	return " -n " + ref.Namespace
}

// quote cuts foreign text to one short printable line.
func quote(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return strings.TrimSpace(text)
}

func decode(data []byte, into any) error {
	if !json.Valid(data) {
		return errors.New("it is not JSON")
	}
	return json.Unmarshal(data, into)
}
