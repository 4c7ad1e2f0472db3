package lint

import (
	"slices"
	"strings"
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonschema"
	"github.com/kyma-connectors/kyma-connectors/schemas"
)

// kymaRules are about objects that Kubernetes itself does not know.
func kymaRules() []Rule {
	kinds := &kymaKinds{compiled: map[string]*jsonschema.Schema{}}
	return []Rule{
		{
			ID: "CHT026", Severity: Error, Suite: SuiteChart,
			Summary: "objects of Kyma, Istio and Service Catalog have the fields that are known in that version",
			Effect:  "the cluster refuses the object, drops the field without a word, or reports an error in its status",
			Next:    "correct the field, or choose the version by .Capabilities.APIVersions.Has: they differ",
			plan: func(p *planContext) []problem {
				return p.judged(func(_ Kubernetes, m Manifest, _ rendering) []string { return kinds.check(m) })
			},
		},
	}
}

// kymaNames are the kinds that schemas.Kyma knows in some version; what is none of them is not looked at any further.
var kymaNames = []string{
	"APIRule", "AddonsConfiguration", "Api", "Application", "ApplicationMapping", "AuthorizationPolicy", "ClusterAddonsConfiguration",
	"ClusterServiceBroker", "EventActivation", "Gateway", "PeerAuthentication", "ServiceBinding", "ServiceBindingUsage", "ServiceBroker",
	"ServiceInstance", "Subscription", "UsageKind", "VirtualService",
}

// kymaKinds are the schemas of the kinds that were met, for all add-ons. It is safe for concurrent use.
type kymaKinds struct {
	mu       sync.Mutex
	set      *jsonschema.Set
	compiled map[string]*jsonschema.Schema // nil for kinds that are not known
}

// check says what is wrong with an object.
func (k *kymaKinds) check(m Manifest) []string {
	if !slices.Contains(kymaNames, m.Kind) {
		return nil
	}
	o, err := decode[object](m)
	if err != nil {
		return nil // another rule says so
	}
	kind := o.APIVersion + "/" + o.Kind
	schema := k.schema(kind)
	if schema == nil {
		return nil
	}
	document, err := decode[any](m)
	if err != nil {
		return nil
	}
	return schema.CheckValue(document)
}

// schema is that of a kind; nil where none is known.
func (k *kymaKinds) schema(kind string) *jsonschema.Schema {
	k.mu.Lock()
	defer k.mu.Unlock()
	schema, met := k.compiled[kind]
	if !met {
		schema = k.compile(kind)
		k.compiled[kind] = schema
	}
	return schema
}

// compile makes the schema of a kind; it is nil where there is none.
func (k *kymaKinds) compile(kind string) *jsonschema.Schema {
	if k.set == nil {
		data, err := schemas.Read(schemas.Kyma)
		if err != nil {
			return nil
		}
		if k.set, err = jsonschema.NewSet(data); err != nil {
			return nil
		}
	}
	schema, err := k.set.Compile("#/definitions/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(kind))
	if err != nil {
		return nil
	}
	return schema
}
