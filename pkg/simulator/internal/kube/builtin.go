package kube

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
)

// maxSecretData is the limit of all values of a Secret or ConfigMap together.
const maxSecretData = 1 << 20

// checkSecret validates a Secret, merges stringData into data and fills in the type.
func checkSecret(o, old Object) []Cause {
	if o.Text("type") == "" {
		o["type"] = "Opaque"
	}
	data, _ := o["data"].(map[string]any)
	for key, value := range o.Texts("stringData") {
		if data == nil {
			data = map[string]any{}
			o["data"] = data
		}
		data[key] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	delete(o, "stringData")
	causes, size := checkKeys(data), 0
	for _, key := range slices.Sorted(maps.Keys(data)) {
		text, ok := data[key].(string)
		raw, err := base64.StdEncoding.DecodeString(text)
		if data[key] != nil && (!ok || err != nil) {
			causes = append(causes, undecodable("illegal base64 data in the value of "+key))
		}
		size += len(raw)
	}
	if size > maxSecretData {
		causes = append(causes, tooLong("data"))
	}
	if old != nil && o["type"] != old["type"] {
		causes = append(causes, Invalid("type", o.Text("type"), "field is immutable"))
	}
	return append(causes, checkImmutable(o, old, "data")...)
}

// checkConfigMap validates a ConfigMap.
func checkConfigMap(o, old Object) []Cause {
	data, _ := o["data"].(map[string]any)
	causes, size := checkKeys(data), 0
	for _, key := range slices.Sorted(maps.Keys(data)) {
		text, ok := data[key].(string)
		if !ok {
			causes = append(causes, undecodable("the value of "+key+" is no string"))
		}
		size += len(text)
	}
	if size > maxSecretData {
		causes = append(causes, tooLong("data"))
	}
	return append(causes, checkImmutable(o, old, "data", "binaryData")...)
}

func checkKeys(data map[string]any) []Cause {
	var causes []Cause
	for _, key := range slices.Sorted(maps.Keys(data)) {
		for _, c := range key {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
				causes = append(causes, Invalid("data["+key+"]", key, "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"))
				break
			}
		}
		if key == "" || key == "." || key == ".." || len(key) > 253 {
			causes = append(causes, Invalid("data["+key+"]", key, "not a usable key"))
		}
	}
	return causes
}

func checkImmutable(o, old Object, fields ...string) []Cause {
	if old == nil || !old.Bool("immutable") {
		return nil
	}
	var causes []Cause
	if !o.Bool("immutable") {
		causes = append(causes, Cause{Reason: "FieldValueForbidden", Field: "immutable", Message: "Forbidden: field is immutable when `immutable` is set"})
	}
	for _, field := range fields {
		if !equal(o[field], old[field]) {
			causes = append(causes, Cause{Reason: "FieldValueForbidden", Field: field, Message: "Forbidden: field is immutable when `immutable` is set"})
		}
	}
	return causes
}

// undecodable says that an object is not even of its kind, which is 400 instead of 422.
func undecodable(why string) Cause { return Cause{Reason: reasonUndecodable, Message: why} }

func tooLong(field string) Cause {
	return Cause{Reason: "FieldValueTooLong", Field: field, Message: fmt.Sprintf("Too long: may not be more than %d bytes", maxSecretData)}
}

// checkService validates a Service and fills in its type and protocols.
func checkService(o, old Object) []Cause {
	if o.Text("spec", "type") == "" {
		o.Set("ClusterIP", "spec", "type")
	}
	ports := o.List("spec", "ports")
	if len(ports) == 0 && o.Text("spec", "type") != "ExternalName" && o.Text("spec", "clusterIP") != "None" {
		return []Cause{Required("spec.ports", "")}
	}
	var causes []Cause
	for i, item := range ports {
		port, _ := item.(map[string]any)
		number, _ := port["port"].(float64)
		if number < 1 || number > 65535 {
			causes = append(causes, Invalid(fmt.Sprintf("spec.ports[%d].port", i), number, "must be between 1 and 65535, inclusive"))
			continue
		}
		if port["protocol"] == nil {
			port["protocol"] = "TCP"
		}
		if port["targetPort"] == nil {
			port["targetPort"] = number
		}
	}
	return causes
}
