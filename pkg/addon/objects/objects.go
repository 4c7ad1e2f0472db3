// Package objects says of a rendered object what Kubernetes would say of it, with Kubernetes' own types and
// without a cluster.
package objects

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/jsonpath"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonvalue"
)

// Kubernetes answers from the types of the Kubernetes version that this program was built with. It is safe for
// concurrent use.
type Kubernetes struct {
	decoder, jsonDecoder runtime.Decoder
	security             func() (policy.Evaluator, error)
}

// New makes a Kubernetes.
func New() *Kubernetes {
	strict := func(isYAML bool) runtime.Decoder {
		return serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, serializer.SerializerOptions{Yaml: isYAML, Strict: true})
	}
	return &Kubernetes{
		decoder: strict(true), jsonDecoder: strict(false),
		security: sync.OnceValues(func() (policy.Evaluator, error) { return policy.NewEvaluator(policy.DefaultChecks(), nil) }),
	}
}

// Strict says what is wrong with a document in YAML as the API server would with strict validation: unknown and repeated
// fields, values of the wrong type. Kinds that are not Kubernetes' own are taken as they are. object is what the
// document says, as JSON has it; nil where that is not known.
func (k *Kubernetes) Strict(document []byte, object any) []string {
	if made, sure := empty(object); sure && (made == nil || jsonvalue.FillStrictly(object, made)) {
		return nil
	}
	decoder := k.decoder
	if asJSON, err := yaml.YAMLToJSONStrict(document); err == nil {
		document, decoder = asJSON, k.jsonDecoder
	}
	_, _, err := decoder.Decode(document, nil, nil)
	var several interface{ Errors() []error }
	switch {
	case err == nil || runtime.IsNotRegisteredError(err):
		return nil
	case errors.As(err, &several):
		var out []string
		for _, e := range several.Errors() {
			out = append(out, e.Error())
		}
		return out
	default:
		return []string{strings.Join(strings.Fields(err.Error()), " ")}
	}
}

// head says what an object is.
type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// empty makes an empty object of the type that Kubernetes has for an object, nil where it has none. sure is false where
// it does not become clear what that is.
func empty(object any) (made runtime.Object, sure bool) {
	var h head
	if !jsonvalue.Fill(object, &h) {
		return nil, false
	}
	version, err := schema.ParseGroupVersion(h.APIVersion)
	if err != nil || version.Version == "" || h.Kind == "" {
		return nil, false
	}
	made, err = scheme.Scheme.New(version.WithKind(h.Kind))
	if err != nil {
		return nil, runtime.IsNotRegisteredError(err)
	}
	return made, true
}

// Removed says since which version of Kubernetes the API of a kind is gone, where it is gone in the given one, such as
// 1.33.0. It is empty where that version still serves it, and for kinds that are not Kubernetes' own.
func (k *Kubernetes) Removed(apiVersion, kind, kubeVersion string) string {
	object, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(apiVersion, kind))
	if err != nil {
		return ""
	}
	gone, ok := object.(interface {
		APILifecycleRemoved() (major, minor int)
	})
	if !ok {
		return ""
	}
	in, err := version.ParseGeneric(kubeVersion)
	if err != nil {
		return ""
	}
	major, minor := gone.APILifecycleRemoved()
	since := fmt.Sprintf("%d.%d", major, minor)
	if !in.AtLeast(version.MustParseGeneric(since)) {
		return ""
	}
	return since
}

// decode reads a document into Kubernetes' own type, leniently; nil where there is none for it.
func decode(document []byte) runtime.Object {
	data, err := yaml.YAMLToJSON(document)
	if err != nil {
		return nil
	}
	var h head
	if json.Unmarshal(data, &h) != nil {
		return nil
	}
	made, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(h.APIVersion, h.Kind))
	if err != nil || json.Unmarshal(data, made) != nil {
		return nil
	}
	return made
}

// JSONPath evaluates the path of a binding's serviceRef, such as {.spec.ports[0].port}, on a document, and says
// whether it hits something. An error means that the path is none.
func (k *Kubernetes) JSONPath(document []byte, path string) (bool, error) {
	parsed := jsonpath.New("path").AllowMissingKeys(false)
	if err := parsed.Parse(path); err != nil {
		return false, err
	}
	var object any
	if err := yaml.Unmarshal(document, &object); err != nil {
		return false, err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, object); err != nil {
		return false, nil // the path leads nowhere
	}
	return out.Len() > 0, nil
}
