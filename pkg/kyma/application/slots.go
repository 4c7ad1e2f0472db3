package application

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// Services with credentials of their own that no definition names have Secrets with numbers: "item-0" and so
// on, the lowest that is free. So an account can be limited to a number of Secrets without knowing which
// services there will be.

// annotationReserved holds, as a JSON object, the numbered Secrets of services that are not stored yet, by id. It
// is written before their Secrets, so that two runs at the same time never take one name for two services.
const annotationReserved = "kyma-connectors.io/reserved-secrets"

var numbered = regexp.MustCompile(`^item-[0-9]+$`)

// needsNumber says whether a service has Secrets that nobody named.
func needsNumber(s *registration.Service) bool {
	return s != nil && s.API != nil && s.API.SecretName == "" &&
		(s.API.Credentials != registration.Credentials{} || len(s.API.Headers)+len(s.API.Query) > 0)
}

// nameSecrets gives every change the name of its Secrets. Where numbers have to be reserved it writes the
// Application first, and returns it as it is then.
func (c *Catalog) nameSecrets(ctx context.Context, object *unstructured.Unstructured, items []*item) (*unstructured.Unstructured, error) {
	if assign(c.options.Instance, object.DeepCopy(), items) {
		var err error
		object, err = c.client.ModifyFrom(ctx, kube.Application(c.options.Application), kube.Present(object), func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			if err := c.check(current); err != nil {
				return nil, err
			}
			if !assign(c.options.Instance, current, items) {
				return nil, nil
			}
			return current, nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, item := range items {
		item.build(c.options)
	}
	return object, nil
}

// assign sets the names, and says whether it reserved some at the Application.
func assign(instance string, object *unstructured.Unstructured, items []*item) (changed bool) {
	reserved := reservations(object)
	taken, held := map[string]bool{}, map[string]string{}
	for id, secret := range reserved {
		if name, ok := numberedName(instance, secret); ok {
			taken[name] = true
			held[id] = name
		}
	}
	for _, stored := range servicesOf(object) {
		for _, secret := range stored.secrets() {
			if name, ok := numberedName(instance, secret); ok {
				taken[name] = true
				held[stored.text("id")] = name
			}
		}
	}
	next := 0
	for _, item := range items {
		if item.err != nil || item.change.Service == nil || item.change.Service.API == nil {
			continue
		}
		item.name = item.change.Service.API.SecretName
		if !needsNumber(item.change.Service) {
			continue
		}
		for _, id := range item.ids() {
			item.name = cmp.Or(item.name, held[id])
		}
		if item.name != "" {
			continue
		}
		for taken[fmt.Sprintf("item-%d", next)] {
			next++
		}
		item.name = fmt.Sprintf("item-%d", next)
		taken[item.name] = true
		reserved[item.change.Service.ID] = SecretName(instance, item.name)
		changed = true
	}
	return changed && setReservations(object, reserved)
}

// numberedName is the name behind that of a Secret, if it is one with a number.
func numberedName(instance, secret string) (string, bool) {
	rest, ours := strings.CutPrefix(secret, prefix(instance))
	rest = strings.TrimSuffix(rest, ".params")
	return rest, ours && numbered.MatchString(rest)
}

// reservations returns the Secrets of services that are not stored yet, of all instances, by id.
func reservations(object *unstructured.Unstructured) map[string]string {
	held := map[string]string{}
	if object != nil && json.Unmarshal([]byte(object.GetAnnotations()[annotationReserved]), &held) != nil {
		return map[string]string{}
	}
	return held
}

// setReservations says whether that altered the Application.
func setReservations(object *unstructured.Unstructured, reserved map[string]string) bool {
	if maps.Equal(reservations(object), reserved) {
		return false
	}
	setAnnotation(object, annotationReserved, reserved, len(reserved) == 0)
	return true
}

// release takes reservations off that are not needed any more: those of services that are stored and, with
// all, those of services that are not. Of the latter, Secrets may be left of a run that was interrupted: they are
// listed as unused. A run that makes services leaves them alone, because they may be those of another run.
func release(options Options, object *unstructured.Unstructured, all bool) bool {
	reserved := reservations(object)
	if len(reserved) == 0 {
		return false
	}
	unused := allUnused(object)
	before := slices.Clone(unused)
	stored := map[string]bool{}
	for _, service := range servicesOf(object) {
		stored[service.text("id")] = true
	}
	for id, secret := range reserved {
		name, ours := numberedName(options.Instance, secret)
		switch {
		case !ours:
		case stored[id]:
			delete(reserved, id)
		case all:
			delete(reserved, id)
			unused = append(unused, SecretName(options.Instance, name), ParametersName(options.Instance, name))
		}
	}
	slices.Sort(unused)
	changed := setReservations(object, reserved)
	return setUnused(object, before, slices.Compact(unused)) || changed
}
