package application

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// annotationInstance says which installation a Secret belongs to. It is no label, because an instance's name
// may be no label value.
const annotationInstance = registration.LabelInstance

// The types of credentials in the spelling of Kyma's gateway. With any other spelling, of them or of the keys
// of their Secrets, it would call the system without credentials and say nothing.
const (
	kindBasic       = "Basic"
	kindOAuth       = "OAuth"
	kindCertificate = "CertificateGen"
)

// maxPrefix keeps names of Secrets within the 253 characters that Kubernetes allows.
const maxPrefix = 180

// SecretName is the name of the Secret with the credentials called name (registration.API.SecretName, or
// else "item-<number>") of an instance: "<namespace>.<release>.<name>" for the instance
// "<namespace>/<release>".
func SecretName(instance, name string) string { return prefix(instance) + name }

// ParametersName is the name of the Secret with the headers and query parameters that go with SecretName.
func ParametersName(instance, name string) string { return prefix(instance) + name + ".params" }

func prefix(instance string) string {
	name := strings.ToLower(strings.ReplaceAll(instance, "/", "."))
	if len(name) > maxPrefix || len(validation.IsDNS1123Subdomain(name)) > 0 {
		sum := sha256.Sum256([]byte(instance))
		name = "kyma-connectors-" + hex.EncodeToString(sum[:10])
	}
	return name + "."
}

// isOurs says whether a Secret's name is one that the instance may have given.
func isOurs(instance, name string) bool {
	rest, ok := strings.CutPrefix(name, prefix(instance))
	return ok && !strings.Contains(strings.TrimSuffix(rest, ".params"), ".")
}

// wanted is a Secret as it should be.
type wanted struct {
	name string
	data map[string]secret.Text
}

// secretsOf are the Secrets of one service; each may be nil.
type secretsOf struct {
	kind        string // the type of the credentials, in Kyma's spelling
	credentials *wanted
	parameters  *wanted
}

func (s secretsOf) all() []*wanted {
	return slices.DeleteFunc([]*wanted{s.credentials, s.parameters}, func(w *wanted) bool { return w == nil })
}

// newSecrets works out what Kyma's gateway has to find.
func newSecrets(instance, name string, s registration.Service) (secretsOf, error) {
	if s.API == nil {
		return secretsOf{}, nil
	}
	if name != "" && len(validation.IsDNS1123Label(name)) > 0 {
		return secretsOf{}, &registration.ConfigError{What: fmt.Sprintf("service %q: %q cannot be part of a Secret's name", s.DisplayName, name), Next: "use lower-case letters, digits and dashes for the id of the API"}
	}
	var found secretsOf
	data := map[string]secret.Text{}
	credentials := s.API.Credentials
	switch {
	case credentials.Basic != nil:
		found.kind = kindBasic
		data["username"], data["password"] = secret.New(credentials.Basic.Username), credentials.Basic.Password
	case credentials.OAuth != nil:
		found.kind = kindOAuth
		data["clientId"], data["clientSecret"] = secret.New(credentials.OAuth.ClientID), credentials.OAuth.ClientSecret
		addParameters(data, credentials.OAuth.Headers, credentials.OAuth.Query)
	case credentials.ClientCertificate != nil:
		found.kind = kindCertificate
		data["crt"], data["key"] = secret.New(credentials.ClientCertificate.Certificate), credentials.ClientCertificate.Key
	case s.API.CSRFTokenURL != "":
		return secretsOf{}, &registration.ConfigError{
			What: fmt.Sprintf("service %q: Kyma's gateway fetches CSRF tokens only with basic, OAuth or certificate credentials", s.DisplayName),
			Next: "take csrf out of the definition, or choose such credentials",
		}
	}
	for _, key := range sortedKeys(data) {
		if data[key].Empty() {
			return secretsOf{}, &registration.ConfigError{What: fmt.Sprintf("service %q: the %s of the %s credentials is empty", s.DisplayName, key, found.kind), Next: "give it a value"}
		}
	}
	if len(data) > 0 {
		found.credentials = newWanted(SecretName(instance, name), data)
	}
	parameters := map[string]secret.Text{}
	addParameters(parameters, s.API.Headers, s.API.Query)
	if len(parameters) > 0 {
		found.parameters = newWanted(ParametersName(instance, name), parameters)
	}
	return found, nil
}

// digestKey is the key of a Secret under which the digest of its other values stands, so that a change by
// other hands is noticed. It is among the values, since a digest of a short password could be guessed from a
// label or an annotation. Kyma's gateway reads the keys that it knows only.
const digestKey = "kyma-connectors.digest"

func newWanted(name string, data map[string]secret.Text) *wanted {
	data[digestKey] = digestOf(data)
	return &wanted{name: name, data: data}
}

func digestOf(data map[string]secret.Text) secret.Text {
	sum := sha256.New()
	for _, key := range sortedKeys(data) {
		if key != digestKey {
			value := data[key].Reveal()
			_, _ = fmt.Fprintf(sum, "%s %d %s\n", key, len(value), value)
		}
	}
	return secret.New(hex.EncodeToString(sum.Sum(nil)))
}

// addParameters adds headers and query parameters as Kyma's gateway reads them: JSON objects of lists. It
// compares header names as they are, so they have to be in the canonical form.
func addParameters(data map[string]secret.Text, headers, query map[string][]secret.Text) {
	add := func(key string, values map[string][]secret.Text, name func(string) string) {
		if len(values) == 0 {
			return
		}
		lists := make(map[string][]string, len(values))
		for _, given := range sortedKeys(values) {
			for _, value := range values[given] {
				lists[name(given)] = append(lists[name(given)], value.Reveal())
			}
		}
		text, err := json.Marshal(lists)
		if err == nil { // a map of lists of strings always can be marshalled
			data[key] = secret.New(string(text))
		}
	}
	add("headers", headers, http.CanonicalHeaderKey)
	add("queryParameters", query, func(name string) string { return name })
}

// writeSecrets writes the Secrets of those changes that have no error, each once, and fails the changes whose
// Secret cannot be written. It returns the names of those written or found.
func (c *Catalog) writeSecrets(ctx context.Context, application *unstructured.Unstructured, items []*item) []string {
	type job struct {
		wanted *wanted
		users  []*item
		create bool
		// changed says that it was written, not only found as it should be.
		changed bool
	}
	jobs := map[string]*job{}
	for _, i := range items {
		if i.err != nil {
			continue
		}
		for _, w := range i.secrets.all() {
			known := jobs[w.name]
			switch {
			case known == nil:
				jobs[w.name] = &job{wanted: w, users: []*item{i}, create: i.change.Action == registration.Create}
			case !maps.Equal(known.wanted.data, w.data):
				i.fail(&registration.ConfigError{What: fmt.Sprintf("service %q shares the Secret %s with another service, but its credentials differ", i.element.text("displayName"), w.name), Next: "give the API an id and credentials of its own"})
			default:
				known.users = append(known.users, i)
			}
		}
	}
	names := sortedKeys(jobs)
	errs := c.each(names, func(name string) error {
		var err error
		jobs[name].changed, err = c.writeSecret(ctx, application, jobs[name].wanted, jobs[name].create)
		return c.hintAtNumber(name, err)
	})
	written := make([]string, 0, len(names))
	for i, name := range names {
		if errs[i] == nil {
			written = append(written, name)
		}
		for _, user := range jobs[name].users {
			user.fail(errs[i])
			user.newSecret = user.newSecret || jobs[name].changed
		}
	}
	return written
}

func (c *Catalog) writeSecret(ctx context.Context, application *unstructured.Unstructured, w *wanted, create bool) (changed bool, err error) {
	if changed, known := c.isPrepared(w); known {
		return changed, nil
	}
	ref := kube.Secret(c.options.CredentialsNamespace, w.name)
	known := kube.Known{}
	if create {
		known = kube.Absent()
	}
	_, err = c.client.ModifyFrom(ctx, ref, known, func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		if current == nil {
			changed = true
			object := kube.NewSecret(ref, w.data, map[string]string{labelManagedBy: managedByUs})
			object.SetAnnotations(map[string]string{annotationInstance: c.options.Instance})
			object.SetOwnerReferences(ownedBy(application))
			return object, nil
		}
		if !c.owns(current) {
			return nil, &registration.ConfigError{What: ref.String() + " exists already and was not made by this installation", Next: "remove it if nothing needs it, or give the installation another name"}
		}
		if holds(current, w.data, application) {
			return nil, nil
		}
		changed = true
		kube.SetSecretData(current, w.data)
		current.SetOwnerReferences(ownedBy(application))
		return current, nil
	})
	return changed, err
}

// hintAtNumber says what may help where a numbered Secret cannot be written for good: accounts are limited to
// a number of them.
func (c *Catalog) hintAtNumber(name string, err error) error {
	var config *registration.ConfigError
	if _, is := numberedName(c.options.Instance, name); !is || !errors.As(err, &config) {
		return err
	}
	return &registration.ConfigError{What: config.What, Next: joinNext("if there are more discovered APIs than the account has rights for, raise registration.discoveredApis in the chart's values", config.Next), Err: config.Err}
}

func joinNext(next, other string) string {
	if other == "" {
		return next
	}
	return next + "; otherwise " + other
}

// ownedBy makes Kubernetes remove a Secret together with the Application.
func ownedBy(application *unstructured.Unstructured) []metav1.OwnerReference {
	return []metav1.OwnerReference{{APIVersion: application.GetAPIVersion(), Kind: application.GetKind(), Name: application.GetName(), UID: application.GetUID()}}
}

func sameOwner(a, b metav1.OwnerReference) bool { return a.UID == b.UID && a.Name == b.Name }

func (c *Catalog) owns(object *unstructured.Unstructured) bool {
	return object.GetAnnotations()[annotationInstance] == c.options.Instance
}

// removeSecrets removes Secrets of this instance and returns the names of those that are gone. What cannot be
// removed now stays listed at the Application.
func (c *Catalog) removeSecrets(ctx context.Context, names []string) []string {
	errs := c.each(names, func(name string) error {
		_, err := c.client.Remove(ctx, kube.Secret(c.options.CredentialsNamespace, name), c.owns)
		return err
	})
	var gone []string
	for i, name := range names {
		if errs[i] == nil {
			gone = append(gone, name)
		}
	}
	if err := errors.Join(errs...); err != nil {
		c.options.Logger.WarnContext(ctx, "an unused Secret stays; a later run that may delete it tries again", "error", err)
	}
	return gone
}

// changedSecrets returns the Secrets that services of this instance refer to and that are gone, lack a key
// that Kyma's gateway needs, or hold other values than were written. One that cannot be read for another
// reason counts as unchanged.
func (c *Catalog) changedSecrets(ctx context.Context, services []element) map[string]bool {
	needed := map[string][]string{}
	for _, service := range services {
		if service.instance() == c.options.Instance {
			maps.Copy(needed, service.secretKeys())
		}
	}
	names := sortedKeys(needed)
	changed := map[string]bool{}
	var mu sync.Mutex
	_ = c.each(names, func(name string) error {
		object, err := c.client.Get(ctx, kube.Secret(c.options.CredentialsNamespace, name))
		switch {
		case err == nil && intact(object, needed[name]):
			return nil
		case err != nil && !kube.IsNotFound(err):
			c.options.Logger.WarnContext(ctx, "cannot check a Secret", "error", err)
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		changed[name] = true
		return nil
	})
	return changed
}

func intact(object *unstructured.Unstructured, keys []string) bool {
	data, err := kube.SecretData(object)
	return err == nil && data[digestKey] == digestOf(data) && !slices.ContainsFunc(keys, func(key string) bool { return data[key].Empty() })
}

// each calls do for all names, so many at once as the options allow, and returns the errors in order.
func (c *Catalog) each(names []string, do func(name string) error) []error {
	errs := make([]error, len(names))
	slots := make(chan struct{}, c.options.Parallel)
	var group sync.WaitGroup
	for i, name := range names {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(name)
		})
	}
	group.Wait()
	return errs
}
