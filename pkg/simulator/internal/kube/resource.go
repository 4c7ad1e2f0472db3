// Package kube is the part of the Kubernetes API that connectors use, in memory: discovery, and create,
// read, list, watch, replace, merge-patch and delete of a few resources, with the statuses, optimistic
// locking, pruning, defaulting, validation and garbage collection of a real API server.
package kube

// Resource is one kind of object that the API serves.
type Resource struct {
	// Group is empty for the core group.
	Group, Version         string
	Plural, Singular, Kind string
	ShortNames             []string
	Namespaced             bool
	// Custom says that it comes from a CustomResourceDefinition, which makes a real API server stricter in
	// some places: apiVersion and kind must be there, and a replacement must name a resourceVersion.
	Custom bool
	// StatusSubresource says that status is written at .../status only.
	StatusSubresource bool
	// Schema prunes, defaults and validates; nil takes every object as it is.
	Schema *Schema
	// Check, if set, validates and completes an object after Schema; old is nil on creation.
	Check func(object, old Object) []Cause
	// Control, if set, does what the resource's controller would do afterwards, such as set a status.
	Control func(object Object)
	// LabelName demands a name without dots (namespaces and services).
	LabelName bool
}

// APIVersion is "v1" or "group/version".
func (r *Resource) APIVersion() string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}

// Qualified is the name as errors quote it, "secrets" or "applications.group".
func (r *Resource) Qualified() string {
	if r.Group == "" {
		return r.Plural
	}
	return r.Plural + "." + r.Group
}

// qualifiedKind is "Secret" or "Application.group", as validation errors quote it.
func (r *Resource) qualifiedKind() string {
	if r.Group == "" {
		return r.Kind
	}
	return r.Kind + "." + r.Group
}

// Namespaces, Secrets, ConfigMaps, Services and Deployments are the built-in resources.

// Namespaces is the resource of namespaces; every Server has it.
func Namespaces() *Resource {
	return &Resource{Version: "v1", Plural: "namespaces", Singular: "namespace", Kind: "Namespace", ShortNames: []string{"ns"}, LabelName: true,
		Control: func(o Object) { o.Set("Active", "status", "phase") }}
}

// Secrets is the resource of Secrets.
func Secrets() *Resource {
	return &Resource{Version: "v1", Plural: "secrets", Singular: "secret", Kind: "Secret", Namespaced: true, Check: checkSecret}
}

// ConfigMaps is the resource of ConfigMaps.
func ConfigMaps() *Resource {
	return &Resource{Version: "v1", Plural: "configmaps", Singular: "configmap", Kind: "ConfigMap", ShortNames: []string{"cm"}, Namespaced: true, Check: checkConfigMap}
}

// Services is the resource of Services.
func Services() *Resource {
	return &Resource{Version: "v1", Plural: "services", Singular: "service", Kind: "Service", ShortNames: []string{"svc"}, Namespaced: true, LabelName: true, Check: checkService}
}

// Deployments is the resource of Deployments, which are taken as they are: nothing runs.
func Deployments() *Resource {
	return &Resource{Group: "apps", Version: "v1", Plural: "deployments", Singular: "deployment", Kind: "Deployment", ShortNames: []string{"deploy"}, Namespaced: true}
}
