package source

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Resource is a ClusterAddonsConfiguration, or in a namespace an AddonsConfiguration: what Helm Broker reads its
// repositories from.
type Resource struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata names the resource.
type Metadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// Spec lists the repositories.
type Spec struct {
	// ReprocessRequest makes the broker read the repositories again whenever it is raised.
	ReprocessRequest int64  `json:"reprocessRequest,omitempty"`
	Repositories     []Item `json:"repositories"`
}

// Item is one repository.
type Item struct {
	URL       string     `json:"url"`
	SecretRef *SecretRef `json:"secretRef,omitempty"`
}

// SecretRef names the Secret whose keys the address has in braces.
type SecretRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// Request says what a resource should be.
type Request struct {
	Name string
	// Namespace makes it an AddonsConfiguration; without one it is for the whole cluster.
	Namespace string
	Locations []*Location
	Secret    SecretRef
	Reprocess int64
}

// dnsName is what Kubernetes takes as a name.
var dnsName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

// NewResource makes the resource. Credentials belong into a Secret: an address with one in clear text is refused,
// because everybody who may read the resource, and its status, could read it.
func NewResource(r Request) (*Resource, error) {
	if len(r.Locations) == 0 {
		return nil, errors.New("no repository; name the address of at least one")
	}
	for what, name := range map[string]string{"--name": r.Name, "--namespace": r.Namespace, "--secret": r.Secret.Name, "--secret-namespace": r.Secret.Namespace} {
		if name != "" && !dnsName.MatchString(name) {
			return nil, fmt.Errorf("%s %s: Kubernetes takes lower-case letters, digits, dashes and dots", what, name)
		}
	}
	out := &Resource{
		APIVersion: "addons.kyma-project.io/v1alpha1", Kind: "ClusterAddonsConfiguration",
		Metadata: Metadata{Name: r.Name}, Spec: Spec{ReprocessRequest: r.Reprocess},
	}
	if r.Namespace != "" {
		out.Kind, out.Metadata.Namespace = "AddonsConfiguration", r.Namespace
	}
	used := false
	for _, l := range r.Locations {
		item := Item{URL: l.Raw}
		if what := l.Literal(); what != "" {
			return nil, fmt.Errorf("%s: %s is in clear text; put it into a Secret, write {KEY} in its place and name the Secret with --secret", l.Shown(), what)
		}
		if slices.ContainsFunc(out.Spec.Repositories, func(i Item) bool { return i.URL == l.Raw }) {
			return nil, fmt.Errorf("%s: is named twice, and Helm Broker would find every id twice; leave one out", l.Shown())
		}
		if len(l.Placeholders) > 0 {
			if err := checkSecret(r, l); err != nil {
				return nil, err
			}
			used = true
			ref := r.Secret
			item.SecretRef = &ref
		}
		out.Spec.Repositories = append(out.Spec.Repositories, item)
	}
	if r.Secret.Name != "" && !used {
		return nil, fmt.Errorf("--secret %s: no address names a key of it; write {KEY} where its value belongs, such as https://{username}:{password}@HOST/index.yaml", r.Secret.Name)
	}
	return out, nil
}

func checkSecret(r Request, l *Location) error {
	keys := "{" + strings.Join(l.Placeholders, "}, {") + "}"
	if r.Secret.Name == "" {
		return fmt.Errorf("%s: the values of %s come from a Secret; name it with --secret", l.Raw, keys)
	}
	if r.Namespace == "" && r.Secret.Namespace == "" {
		return fmt.Errorf("%s: a resource for the whole cluster has no namespace to look for the Secret %s in; name it with --secret-namespace", l.Raw, r.Secret.Name)
	}
	return nil
}

// DefaultName is a name for a resource with this repository: that of its last directory, or of its host where there is none.
func (l *Location) DefaultName() string {
	text := placeholder.ReplaceAllString(l.Address, "")
	text = strings.TrimSuffix(strings.SplitN(text, "?", 2)[0], "/index.yaml")
	text = strings.TrimSuffix(text, ".git")
	if _, host, _ := strings.Cut(text, "://"); !strings.Contains(host, "/") { // nothing but a host tells one from others
		host = host[strings.LastIndex(host, "@")+1:]
		host, _, _ = strings.Cut(host, ":")
		text = strings.ReplaceAll(text[:strings.Index(text, "://")+3]+host, ".", "-")
	}
	parts := strings.FieldsFunc(strings.ToLower(text[strings.Index(text, "://")+1:]), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
	name := "addons"
	if len(parts) > 0 {
		name = strings.Trim(parts[len(parts)-1], "-")
	}
	if !dnsName.MatchString(name) {
		return "addons"
	}
	return name
}
