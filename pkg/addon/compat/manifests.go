package compat

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
)

// manifests compares what both versions of a plan make of the same parameters: the smallest that the old form
// takes. The values of secrets are not shown.
func (c *comparison) manifests(b, a addon.Plan) error {
	parameters, err := sample(b)
	if err != nil {
		return fmt.Errorf("%s, plan %s: %w", c.before.Name(), b.Meta.Name, err)
	}
	was, old, err := render(c.before, b, parameters)
	if err != nil {
		return err
	}
	is, now, err := render(c.after, a, parameters)
	var refused *provision.ParameterError
	if errors.As(err, &refused) {
		c.add(Major, AreaForm, a.Meta.Name, "(form)", "refuses the smallest parameters that the old form took: %s", refused.Problems[0])
		if parameters, err = sample(a); err != nil {
			return fmt.Errorf("%s, plan %s: %w", c.after.Name(), a.Meta.Name, err)
		}
		is, now, err = render(c.after, a, parameters)
	}
	if err != nil {
		return err
	}
	c.bindings(a.Meta.Name, credentials(old, b), credentials(now, a))
	for _, id := range slices.Sorted(maps.Keys(was)) {
		now, kept := is[id]
		if !kept {
			level := Patch
			if strings.HasPrefix(id, "Service ") || strings.HasPrefix(id, "PersistentVolumeClaim ") || strings.HasPrefix(id, "StatefulSet ") {
				level = Major
			}
			c.add(level, AreaManifests, a.Meta.Name, id, "is gone")
			continue
		}
		c.object(a.Meta.Name, id, was[id], now)
	}
	for _, id := range slices.Sorted(maps.Keys(is)) {
		if _, known := was[id]; !known {
			c.add(Patch, AreaManifests, a.Meta.Name, id, "is new")
		}
	}
	return nil
}

func sample(p addon.Plan) (map[string]any, error) {
	if len(p.CreateSchema) == 0 {
		return nil, nil
	}
	schema, err := form.Parse(p.CreateSchema)
	if err != nil {
		return nil, err
	}
	return schema.Sample()
}

// contentSuffix ends names that follow from the content, as those of Jobs do, which cannot be changed.
var contentSuffix = regexp.MustCompile(`-[0-9a-f]{8,10}$`)

// render is what a plan makes of parameters: objects by kind and name.
func render(a *addon.Addon, p addon.Plan, parameters map[string]any) (map[string]map[string]any, *provision.Release, error) {
	release, err := provision.Render(a, provision.Request{Plan: p.Meta.Name, Parameters: parameters, Release: "release"})
	if err != nil {
		return nil, nil, err
	}
	objects, err := release.Objects(false)
	if err != nil {
		return nil, nil, err
	}
	byID := map[string]map[string]any{}
	for _, o := range objects {
		kind, _ := o["kind"].(string)
		metadata, _ := o["metadata"].(map[string]any)
		name, _ := metadata["name"].(string)
		id := kind + " " + contentSuffix.ReplaceAllString(name, "")
		if kind == "Job" {
			delete(metadata, "name")
		}
		withoutVersions(o)
		byID[id] = o
	}
	return byID, release, nil
}

// credentials are what a binding of the plan gives: names of credentials, and of the objects that are given as a whole.
// They are nil where there is no bind.yaml, or none that can be read, which lint says.
func credentials(release *provision.Release, p addon.Plan) []string {
	if len(p.Bind) == 0 {
		return nil
	}
	rendered, err := release.Bind(p.Bind)
	if err != nil {
		return nil
	}
	type named struct {
		Name string `json:"name"`
	}
	var bind struct {
		Credential     []named            `json:"credential"`
		CredentialFrom []map[string]named `json:"credentialFrom"`
	}
	if yaml.Unmarshal([]byte(rendered), &bind) != nil {
		return nil
	}
	given := []string{}
	for _, one := range bind.Credential {
		given = append(given, one.Name)
	}
	for _, from := range bind.CredentialFrom {
		for _, kind := range slices.Sorted(maps.Keys(from)) {
			given = append(given, fmt.Sprintf("all of %s %s", strings.TrimSuffix(kind, "Ref"), from[kind].Name))
		}
	}
	return given
}

// bindings compares what bindings give. Where one of them is nil, another change says why.
func (c *comparison) bindings(plan string, was, is []string) {
	if was == nil || is == nil {
		return
	}
	for _, one := range was {
		if !slices.Contains(is, one) {
			c.add(Major, AreaCatalog, plan, addon.BindFile, "a binding no longer gives %s", one)
		}
	}
	for _, one := range is {
		if !slices.Contains(was, one) {
			c.add(Minor, AreaCatalog, plan, addon.BindFile, "a binding gives %s, too", one)
		}
	}
}

// withoutVersions removes the labels that follow from the chart's version and the checksums that follow from what
// is compared anyway.
func withoutVersions(node any) {
	switch n := node.(type) {
	case []any:
		for _, item := range n {
			withoutVersions(item)
		}
	case map[string]any:
		for key, value := range n {
			if key == "helm.sh/chart" || key == "app.kubernetes.io/version" || strings.Contains(key, "checksum") {
				delete(n, key)
				continue
			}
			withoutVersions(value)
		}
	}
}

// fixed are the fields that Kubernetes does not let anybody change: an upgrade with Helm stops there.
var fixed = map[string][]string{
	"Deployment":  {"spec.selector"},
	"StatefulSet": {"spec.selector", "spec.serviceName", "spec.volumeClaimTemplates", "spec.podManagementPolicy"},
	"DaemonSet":   {"spec.selector"},
	"Service":     {"spec.clusterIP"},
	"RoleBinding": {"roleRef"},
}

func (c *comparison) object(plan, id string, was, is map[string]any) {
	kind, _, _ := strings.Cut(id, " ")
	var found []Change
	differ("", was, is, func(where string, b, a any) {
		level, why := Patch, ""
		for _, f := range fixed[kind] {
			if where == f || strings.HasPrefix(where, f+".") || strings.HasPrefix(where, f+"[") {
				level, why = Major, "; Kubernetes does not let it be changed, so an upgrade with Helm fails"
			}
		}
		if kind == "Service" && strings.HasPrefix(where, "spec.ports") && b != nil {
			level, why = Major, "; who calls it has to follow"
		}
		found = append(found, Change{level, AreaManifests, plan, id, fmt.Sprintf("%s: %s becomes %s%s", where, shown(b), shown(a), why)})
	})
	c.changes = append(c.changes, found...)
}

func shown(v any) string {
	if v == nil {
		return "nothing"
	}
	return show(v)
}

// differ tells every place where two values differ. A list whose items have names is compared by them.
func differ(at string, was, is any, tell func(where string, was, is any)) {
	if b, ok := was.(map[string]any); ok {
		if a, ok := is.(map[string]any); ok {
			for _, key := range slices.Sorted(maps.Keys(both(b, a))) {
				differ(join(at, key), b[key], a[key], tell)
			}
			return
		}
	}
	if b, ok := was.([]any); ok {
		if a, ok := is.([]any); ok {
			if before, after := named(b), named(a); before != nil && after != nil {
				for _, key := range slices.Sorted(maps.Keys(both(before, after))) {
					differ(at+"["+key+"]", before[key], after[key], tell)
				}
				return
			}
			if len(a) == len(b) {
				for i := range b {
					differ(fmt.Sprintf("%s[%d]", at, i), b[i], a[i], tell)
				}
				return
			}
		}
	}
	if !reflect.DeepEqual(was, is) {
		tell(at, was, is)
	}
}

func both(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, b)
	return out
}

// named are the items of a list by their names; nil where not every one has a name of its own.
func named(list []any) map[string]any {
	out := map[string]any{}
	for _, item := range list {
		m, _ := item.(map[string]any)
		name, ok := m["name"].(string)
		if _, taken := out[name]; !ok || taken {
			return nil
		}
		out[name] = item
	}
	return out
}
