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

// Strict says what is wrong with a document in YAML or JSON as the API server would with strict validation: unknown and
// repeated fields, values of the wrong type. Kinds that are not Kubernetes' own are taken as they are.
func (k *Kubernetes) Strict(document []byte) []string {
	decoder := k.decoder
	if isJSON(document) {
		decoder = k.jsonDecoder
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

// isJSON says whether a document is an object in JSON, which is read sooner than YAML.
func isJSON(document []byte) bool {
	return bytes.HasPrefix(document, []byte("{")) && json.Valid(document)
}

// typed makes an object of Kubernetes' own type for a document in YAML or JSON, and returns the document as JSON;
// nil where there is no type for it.
func (k *Kubernetes) typed(document []byte) (runtime.Object, []byte) {
	head, data, err := readHead(document)
	if err != nil {
		return nil, nil
	}
	object, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(head.APIVersion, head.Kind))
	if err != nil {
		return nil, nil
	}
	return object, data
}

// head says what a document is.
type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// readHead returns the document as JSON, too.
func readHead(document []byte) (h head, data []byte, err error) {
	if bytes.HasPrefix(document, []byte("{")) && json.Unmarshal(document, &h) == nil {
		return h, document, nil
	}
	h = head{}
	if data, err = yaml.YAMLToJSON(document); err == nil {
		err = json.Unmarshal(data, &h)
	}
	return h, data, err
}

// decode reads a document into Kubernetes' own type, leniently; nil where there is none for it.
func (k *Kubernetes) decode(document []byte) runtime.Object {
	object, data := k.typed(document)
	if object == nil || json.Unmarshal(data, object) != nil {
		return nil
	}
	return object
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
