package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonvalue"
)

// ChartLoader loads charts.
type ChartLoader interface {
	// Load loads a chart from its files, without looking anywhere else.
	Load(chart addon.Tree) (Chart, error)
}

// Chart renders itself.
type Chart interface {
	// Render renders the chart as Helm Broker would. It returns an error that is ErrValues where the values do
	// not fit the chart's own schema.
	Render(RenderRequest) ([]Manifest, error)
	// Bind renders a plan's bind.yaml as Helm Broker would for a binding: what the request says of the cluster
	// does not count.
	Bind(template []byte, request RenderRequest) (string, error)
}

// Kubernetes says of rendered objects what a cluster would say.
type Kubernetes interface {
	// Strict returns what strict validation finds in a document, of which object is what it says, or nil where that
	// is not known; nothing for kinds that it does not know.
	Strict(document []byte, object any) []string
	// Removed returns since when the API of a kind is gone, where it is gone in a version of Kubernetes.
	Removed(apiVersion, kind, kubeVersion string) string
	// Restricted returns what the Pod Security Standard "restricted" does not allow.
	Restricted(document []byte, object any) ([]string, error)
	// JSONPath says whether a path hits something; an error means that it is no path.
	JSONPath(document []byte, path string) (bool, error)
}

// ErrValues means that values do not fit the values.schema.json of a chart.
var ErrValues = errors.New("the values do not fit the chart's values.schema.json")

// RenderRequest says how to render.
type RenderRequest struct {
	Release     string
	Namespace   string
	Values      map[string]any
	KubeVersion string
	APIVersions []string
}

// Manifest is one rendered object, hooks included.
type Manifest struct {
	Source string // the template, beginning with the chart's name
	Kind   string
	Name   string
	// Content is the YAML document. Those that are equal may share it.
	Content []byte
	// Object is what it says, as JSON has it; nil where that is not known, or where the document says a key twice.
	Object any

	seen *seenDocument
}

// seenDocument is what has been found out about a document, for all renderings of an add-on that it is in.
type seenDocument struct {
	content  []byte
	object   any // see Manifest
	workload workload
	known    map[any]any // what else follows from it, by what was asked
}

// once finds out what follows from a document, where that is not known yet.
func once[T any](s *seenDocument, what any, find func() T) T {
	found, known := s.known[what].(T)
	if !known {
		found = find()
		s.known[what] = found
	}
	return found
}

// identity tells documents apart. Those that are equal and do not share their bytes are looked at again.
type identity struct {
	first *byte
	size  int
}

func identityOf(document []byte) identity {
	if len(document) == 0 {
		return identity{}
	}
	return identity{&document[0], len(document)}
}

// profile is a cluster that charts are rendered for.
type profile struct {
	name        string
	kubeVersion string
	apiVersions []string
	// podSecurity: the cluster enforces Pod Security Standards by itself.
	podSecurity bool
}

// profiles are the clusters that connectors are for: without Kyma, then from the oldest to the newest.
func profiles() []profile {
	return []profile{
		{"Kubernetes without Kyma", "1.33.0", []string{"networking.k8s.io/v1/Ingress", "apps/v1/Deployment"}, true},
		{"Kyma 1.6", "1.15.0", []string{
			"gateway.kyma-project.io/v1alpha1/APIRule", "eventing.knative.dev/v1alpha1/Trigger", "networking.istio.io/v1alpha3/VirtualService",
			"extensions/v1beta1/Ingress", "networking.k8s.io/v1beta1/Ingress", "apps/v1/Deployment",
		}, false},
		{"Kyma 2.2", "1.21.0", []string{
			"gateway.kyma-project.io/v1beta1/APIRule", "eventing.kyma-project.io/v1alpha1/Subscription", "security.istio.io/v1beta1/AuthorizationPolicy",
			"networking.k8s.io/v1/Ingress", "apps/v1/Deployment",
		}, false},
		{"current Kyma", "1.33.0", []string{
			"gateway.kyma-project.io/v2/APIRule", "eventing.kyma-project.io/v1alpha2/Subscription", "security.istio.io/v1/AuthorizationPolicy",
			"operator.kyma-project.io/v1alpha1/ApplicationConnector", "networking.k8s.io/v1/Ingress", "apps/v1/Deployment",
		}, true},
	}
}

// rendering is a plan rendered for one profile.
type rendering struct {
	profile   profile
	release   string
	namespace string
	manifests []Manifest
	values    map[string]any
	secrets   map[string]string // marker -> field
	err       error
}

// prepare decodes the manifests, once for all rules.
func (r *rendering) prepare(known map[identity]*seenDocument) {
	for i := range r.manifests {
		m := &r.manifests[i]
		id := identityOf(m.Content)
		s, found := known[id]
		if !found {
			s = newSeen(*m)
			known[id] = s
		}
		m.seen = s
	}
}

// distinct are the objects of renderings: most are the same for every cluster.
func distinct(renderings []rendering) (out []Manifest) {
	type placed struct {
		document *seenDocument
		source   string
	}
	met := map[placed]bool{}
	for _, r := range renderings {
		if r.err != nil {
			return nil
		}
		for _, m := range r.manifests {
			if at := (placed{m.seen, m.Source}); !met[at] {
				met[at] = true
				out = append(out, m)
			}
		}
	}
	return out
}

func newSeen(m Manifest) *seenDocument {
	s := &seenDocument{content: m.Content, object: m.Object, known: map[any]any{}}
	if w, err := read[workload](s); err == nil { // otherwise another rule says what is wrong
		s.workload = w
	}
	return s
}

// read reads a document into the given shape.
func read[T any](s *seenDocument) (value T, err error) {
	if s.object != nil && jsonvalue.Fill(s.object, &value) {
		return value, nil
	}
	var (
		again  T
		asJSON []byte
	)
	if s.object != nil {
		asJSON, err = json.Marshal(s.object)
	} else {
		asJSON, err = yaml.YAMLToJSON(s.content)
	}
	if err == nil {
		err = json.Unmarshal(asJSON, &again)
	}
	return again, err
}

// release is the name that all plans are rendered under: with the same one, objects that do not follow from the plan
// are the same, and are judged once.
func (c *addonContext) release() string {
	return longRelease(c.parsed.Meta.Name, c.plans[0].parsed.Name)
}

// longRelease has the 53 characters that the longest release name of the broker has, made as the broker
// makes it.
func longRelease(addonName, planName string) string {
	name := fmt.Sprintf("hb-%.6s-%.6s-", addonName, planName)
	const id = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
	name += id
	for len(name) < 53 {
		name += "x"
	}
	return name[:53]
}

// mark fills the secret fields with texts that can be found again, and returns them with their fields.
func mark(schema *form.Schema, parameters map[string]any) map[string]string {
	markers := map[string]string{}
	for _, path := range schema.Secrets() {
		marker := "lintSecret0f" + strings.ReplaceAll(strings.Join(path, "Of"), "_", "")
		with := addon.MergeValues(parameters, nested(path, marker))
		if problems, err := schema.Check(with); err == nil && len(problems) == 0 {
			maps.Copy(parameters, with)
			markers[marker] = strings.Join(path, ".")
		}
	}
	return markers
}

// renderAll renders a plan for every profile with a sample of all fields of its form, and for the newest
// with the required fields only. It is empty where another rule says why that is not possible.
func renderAll(p *planContext) []rendering {
	chart, err := p.chart()
	if err != nil || p.addonContext.parsed == nil || p.values == nil {
		return nil
	}
	if !fitsRelease(p.addonContext.parsed.Meta.Name) || !fitsRelease(p.parsed.Name) || !fitsRelease(p.plans[0].parsed.Name) {
		return nil
	}
	least, full := map[string]any{}, map[string]any{}
	var secrets map[string]string
	if p.schema != nil {
		schema, err := p.form()
		if err != nil {
			return nil
		}
		if least, err = schema.Sample(); err != nil {
			return nil
		}
		if full, err = schema.FullSample(); err != nil {
			return nil
		}
		secrets = mark(schema, full)
	}
	var out []rendering
	render := func(in profile, parameters map[string]any) {
		r := rendering{profile: in, release: p.release(), namespace: "lint-namespace", secrets: secrets}
		r.values = addon.MergeValues(p.values, parameters, map[string]any{addon.RepositoryURLValue: "https://example.com/index.yaml"})
		r.manifests, r.err = chart.Render(RenderRequest{
			Release: r.release, Namespace: r.namespace, Values: r.values, KubeVersion: in.kubeVersion, APIVersions: in.apiVersions,
		})
		r.prepare(p.documents)
		out = append(out, r)
	}
	all := profiles()
	for _, in := range all {
		render(in, full)
	}
	newest := all[len(all)-1]
	newest.name += " with the required fields only"
	render(newest, least)
	return out
}
