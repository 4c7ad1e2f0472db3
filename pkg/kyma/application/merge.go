package application

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// annotationUnused lists, as a JSON array, the names of Secrets that no service refers to any more and that
// are still to be removed. It is written together with the services, so that an interrupted removal is
// finished by the next run, without a right to list Secrets.
const annotationUnused = "kyma-connectors.io/unused-secrets"

// item is one change on its way into the Application.
type item struct {
	change  registration.Change
	name    string  // that of its Secrets within the instance
	element element // nil for Delete
	secrets secretsOf
	err     error
	// newEntry and newSecret say that its place in the Application, or one of its Secrets, was written.
	newEntry, newSecret bool
}

// changed says whether anything was written for the change.
func (i *item) changed() bool { return i.newEntry || i.newSecret }

func newItem(change registration.Change) *item {
	item := &item{change: change}
	if change.Action == registration.Delete {
		if change.Registered == nil {
			item.fail(&registration.ConfigError{What: "a deletion does not say which service it is about"})
		}
		return item
	}
	if change.Service == nil {
		item.fail(&registration.ConfigError{What: fmt.Sprintf("the change %q has no service", change.Action)})
		return item
	}
	item.fail(change.Service.Validate())
	return item
}

// build makes what is stored, once the Secrets have a name.
func (i *item) build(options Options) {
	if i.change.Service == nil || i.err != nil {
		return
	}
	var err error
	i.secrets, err = newSecrets(options.Instance, i.name, *i.change.Service)
	if i.fail(err); i.err == nil {
		i.element = newElement(options, *i.change.Service, i.secrets)
	}
}

// fail keeps the first error.
func (i *item) fail(err error) {
	if i.err == nil {
		i.err = err
	}
}

// ids are those of the stored services that the change replaces or removes.
func (i *item) ids() []string {
	var ids []string
	if i.change.Service != nil {
		ids = append(ids, i.change.Service.ID)
	}
	if i.change.Registered != nil {
		ids = append(ids, i.change.Registered.ID)
	}
	return ids
}

// refuse finds out whether the change may touch a stored service.
func (i *item) refuse(stored element, instance string) {
	owner := stored.instance()
	switch {
	case owner == instance || i.change.Action == registration.Update && i.change.Registered != nil:
	case i.change.Action == registration.Delete:
		i.fail(&registration.ConfigError{What: fmt.Sprintf("service %q is not deleted: it belongs to %s", stored.text("displayName"), ownerName(owner)), Next: "delete it with the installation that made it"})
	default:
		i.fail(&registration.ConfigError{What: fmt.Sprintf("service %q exists already and belongs to %s", stored.text("displayName"), ownerName(owner)), Next: "remove that installation, or choose another Application"})
	}
}

func ownerName(instance string) string {
	if instance == "" {
		return "somebody else"
	}
	return "the installation " + instance
}

// merge puts the changes into the Application and says whether that altered it. A change that must be
// refused gets an error and leaves the Application as it is. What other owners wrote is not touched.
func merge(options Options, object *unstructured.Unstructured, items []*item) (changed bool) {
	before := servicesOf(object)
	about := map[string]*item{}
	for _, item := range items {
		for _, id := range item.ids() {
			about[id] = item
		}
	}
	same := map[*item]bool{}
	for _, stored := range before {
		if item := about[stored.text("id")]; item != nil {
			item.refuse(stored, options.Instance)
			same[item] = reflect.DeepEqual(stored, item.element)
		}
	}
	for _, item := range items {
		item.newEntry = item.newEntry || !same[item]
	}
	after := combine(before, items, about)
	for refuseCollision(after, items) {
		after = combine(before, items, about)
	}
	if !reflect.DeepEqual(before, after) {
		list := make([]any, len(after))
		for i, service := range after {
			list[i] = map[string]any(service)
		}
		spec, ok := object.Object["spec"].(map[string]any)
		if !ok {
			spec = map[string]any{}
			object.Object["spec"] = spec
		}
		spec["services"] = list
		changed = true
	}
	encoding := plainKeys(options, object)
	unused := listUnused(options, object, before, after)
	released := release(options, object, !slices.ContainsFunc(items, func(item *item) bool { return item.change.Action != registration.Delete }))
	return changed || encoding || unused || released
}

// combine returns the services with the accepted changes: replaced ones where they were, new ones at the end.
func combine(before []element, items []*item, about map[string]*item) []element {
	after := make([]element, 0, len(before)+len(items))
	placed := map[*item]bool{}
	for _, stored := range before {
		item := about[stored.text("id")]
		switch {
		case item == nil || item.err != nil:
			after = append(after, stored)
		case item.element != nil && !placed[item]:
			after = append(after, item.element)
			placed[item] = true
		}
	}
	for _, item := range items {
		if item.err == nil && item.element != nil && !placed[item] {
			after = append(after, item.element)
		}
	}
	return after
}

// refuseCollision refuses the last change that would make a service share its place in the gateway's
// addresses with another one: neither could be called.
func refuseCollision(after []element, items []*item) bool {
	taken := make(map[string][]element, len(after))
	for _, service := range after {
		segment := registration.URLSegment(service.text("displayName"))
		taken[segment] = append(taken[segment], service)
	}
	for _, item := range slices.Backward(items) {
		if item.err != nil || item.element == nil {
			continue
		}
		name := item.element.text("displayName")
		segment := registration.URLSegment(name)
		for _, other := range taken[segment] {
			if other.text("id") == item.element.text("id") {
				continue
			}
			item.fail(&registration.ConfigError{
				What: fmt.Sprintf("service %q and service %q would both be reached as %q, so neither could be called", name, other.text("displayName"), segment),
				Next: "give one of them another name",
			})
			return true
		}
	}
	return false
}

// plainKeys keeps Kyma's gateway from decoding what an OData key needs encoded. Only where this product made
// the Application, nobody decided, or nobody else has an API in it: for other services of an Application it is a change.
// The resource definition's default is written into every Application, so that it is no decision of anybody.
func plainKeys(options Options, object *unstructured.Unstructured) bool {
	value, found, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "encodeUrl")
	if value == false || found && !madeByUs(object) && othersCall(object, options.Instance) || !hasOData(object, options.Instance) {
		return false
	}
	object.Object["spec"].(map[string]any)["encodeUrl"] = false
	return true
}

// keepsEncoding says that the gateway re-encodes the addresses of this instance's OData services.
func keepsEncoding(object *unstructured.Unstructured, instance string) bool {
	value, _, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "encodeUrl")
	return value == true && hasOData(object, instance)
}

// othersCall says whether somebody else has an API in the Application.
func othersCall(object *unstructured.Unstructured, instance string) bool {
	return slices.ContainsFunc(servicesOf(object), func(service element) bool {
		return service.instance() != instance && slices.ContainsFunc(service.entries(), func(entry map[string]any) bool { return entry["type"] == "API" })
	})
}

func hasOData(object *unstructured.Unstructured, instance string) bool {
	return slices.ContainsFunc(servicesOf(object), func(service element) bool { return service.instance() == instance && service.isOData() })
}

// references returns the names of all Secrets that the services refer to.
func references(services []element) map[string]bool {
	names := map[string]bool{}
	for _, service := range services {
		for _, name := range service.secrets() {
			names[name] = true
		}
	}
	return names
}

// listUnused brings the list of unused Secrets up to date with the services.
func listUnused(options Options, object *unstructured.Unstructured, before, after []element) bool {
	held := allUnused(object)
	referenced := references(after)
	names := map[string]bool{}
	for _, name := range held {
		names[name] = true
	}
	for _, name := range sortedKeys(references(before)) {
		if isOurs(options.Instance, name) {
			names[name] = true
		}
	}
	for name := range names {
		if referenced[name] {
			delete(names, name)
		}
	}
	return setUnused(object, held, sortedKeys(names))
}

// unused returns the names of this instance's Secrets that are still to be removed.
func unused(object *unstructured.Unstructured, instance string) []string {
	return slices.DeleteFunc(allUnused(object), func(name string) bool { return !isOurs(instance, name) })
}

func allUnused(object *unstructured.Unstructured) []string {
	var names []string
	if json.Unmarshal([]byte(object.GetAnnotations()[annotationUnused]), &names) != nil {
		return nil
	}
	return names
}

// forget takes names off the list of unused Secrets.
func forget(object *unstructured.Unstructured, gone []string) bool {
	held := allUnused(object)
	return setUnused(object, held, slices.DeleteFunc(slices.Clone(held), func(name string) bool { return slices.Contains(gone, name) }))
}

func setUnused(object *unstructured.Unstructured, held, names []string) bool {
	if slices.Equal(held, names) {
		return false
	}
	setAnnotation(object, annotationUnused, names, len(names) == 0)
	return true
}

// setAnnotation keeps names in an annotation, as JSON; without any the annotation goes.
func setAnnotation(object *unstructured.Unstructured, annotation string, names any, none bool) {
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	if none {
		delete(annotations, annotation)
	} else {
		text, _ := json.Marshal(names) // strings always can be marshalled
		annotations[annotation] = string(text)
	}
	object.SetAnnotations(annotations)
}
