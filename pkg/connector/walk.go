package connector

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// place says where in a definition a value stands and what it may do there. The struct tags of the
// definition's types make it:
//
//	scope:"…"     what expressions below the field see (default: what its parent sees; an API with a
//	              discovery starts with discovery, a delivery with delivery or, if it is split, item)
//	kind:"…"      bool, list or any (default: text)
//	secrets:"yes" expressions below the field may read secret parameters
type place struct {
	path    string
	scope   expression.Scope
	kind    expression.Kind
	secrets bool
}

var scopes = map[string]expression.Scope{
	"parameters": expression.Parameters, "delivery": expression.Delivery, "webhook": expression.Webhook,
	"response": expression.Response, "relay": expression.Relay, "manual": expression.Manual, "claims": expression.Claims,
	"event": expression.Event,
}

var kinds = map[string]expression.Kind{"bool": expression.Bool, "list": expression.List, "any": expression.Any}

// eachValue visits every value below v that is set, in the order of the types, maps by key.
func eachValue(v reflect.Value, at place, visit func(place, *Value)) {
	switch t := v.Addr().Interface().(type) {
	case *Value:
		if t.set {
			visit(at, t)
		}
		return
	case *Template:
		at.kind = expression.Any
		t.root = eachTemplateValue(t.root, at, visit)
		return
	case *API:
		if t.Discover != nil {
			at.scope = expression.Discovery
		}
	case *Delivery:
		at.scope = expression.Delivery
		if t.Split != "" {
			at.scope = expression.Item
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachValue(v.Elem(), at, visit)
		}
	case reflect.Struct:
		eachField(v, at, visit)
	case reflect.Slice:
		for i := range v.Len() {
			below := at
			if !oneOrMany(v.Type()) || v.Len() > 1 {
				below.path += fmt.Sprintf("[%d]", i)
			}
			eachValue(v.Index(i), below, visit)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(key))
			below := at
			below.path = joinPath(at.path, key.String())
			eachValue(item, below, visit)
			v.SetMapIndex(key, item)
		}
	}
}

func eachField(v reflect.Value, at place, visit func(place, *Value)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		below := at
		if !field.Anonymous {
			below.path = joinPath(at.path, jsonName(field))
			below.kind = kinds[field.Tag.Get("kind")]
		}
		if scope, ok := scopes[field.Tag.Get("scope")]; ok {
			if scope == expression.Event && at.scope == expression.Item {
				scope = expression.EventItem
			}
			below.scope = scope
		}
		if field.Tag.Get("secrets") == "yes" {
			below.secrets = true
		}
		eachValue(v.Field(i), below, visit)
	}
}

func eachTemplateValue(node any, at place, visit func(place, *Value)) any {
	switch node := node.(type) {
	case map[string]any:
		for _, key := range sortedKeys(node) {
			below := at
			below.path = joinPath(at.path, key)
			node[key] = eachTemplateValue(node[key], below, visit)
		}
	case []any:
		for i := range node {
			below := at
			below.path += fmt.Sprintf("[%d]", i)
			node[i] = eachTemplateValue(node[i], below, visit)
		}
	case Value:
		visit(at, &node)
		return node
	}
	return node
}

// oneOrMany are the lists for which a single item may be written.
func oneOrMany(t reflect.Type) bool {
	return t == reflect.TypeFor[ValueList]() || t == reflect.TypeFor[AuthList]() || t == reflect.TypeFor[WebhooksList]()
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

var plainKey = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$-]*$`)

// joinPath writes a YAML path.
func joinPath(path, key string) string {
	if !plainKey.MatchString(key) {
		return fmt.Sprintf("%s[%q]", path, key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
