package kube

import (
	"net/http"
	"slices"
	"strings"
)

// serveDiscovery answers /version, /api, /apis and below, without the resources themselves.
func (s *Server) serveDiscovery(w http.ResponseWriter, path []string) {
	switch {
	case len(path) == 1 && path[0] == "version":
		version := strings.Split(strings.TrimPrefix(s.options.Version, "v"), ".")
		for len(version) < 2 {
			version = append(version, "0")
		}
		writeObject(w, http.StatusOK, map[string]any{
			"major": version[0], "minor": version[1], "gitVersion": s.options.Version, "gitCommit": "", "gitTreeState": "clean",
			"buildDate": "2026-01-01T00:00:00Z", "goVersion": "", "compiler": "gc", "platform": "linux/amd64",
		})
	case len(path) == 1 && path[0] == "api":
		writeObject(w, http.StatusOK, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}, "serverAddressByClientCIDRs": []any{}})
	case len(path) == 2 && path[0] == "api":
		s.writeResources(w, "", path[1])
	case len(path) == 1:
		groups := []any{}
		for _, group := range s.groups() {
			groups = append(groups, s.group(group))
		}
		writeObject(w, http.StatusOK, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
	case len(path) == 2:
		if !slices.Contains(s.groups(), path[1]) {
			writeError(w, pathNotFound())
			return
		}
		group := s.group(path[1])
		group["kind"], group["apiVersion"] = "APIGroup", "v1"
		writeObject(w, http.StatusOK, group)
	default:
		s.writeResources(w, path[1], path[2])
	}
}

func (s *Server) groups() []string {
	var groups []string
	for _, r := range s.resources {
		if r.Group != "" && !slices.Contains(groups, r.Group) {
			groups = append(groups, r.Group)
		}
	}
	return groups
}

func (s *Server) group(name string) map[string]any {
	var versions []any
	for _, r := range s.resources {
		version := map[string]any{"groupVersion": r.APIVersion(), "version": r.Version}
		if r.Group == name && !slices.ContainsFunc(versions, func(v any) bool { return equal(v, version) }) {
			versions = append(versions, version)
		}
	}
	return map[string]any{"name": name, "versions": versions, "preferredVersion": versions[0]}
}

func (s *Server) writeResources(w http.ResponseWriter, group, version string) {
	resources := []any{}
	groupVersion := version
	if group != "" {
		groupVersion = group + "/" + version
	}
	for _, r := range s.resources {
		if r.Group != group || r.Version != version {
			continue
		}
		entry := map[string]any{
			"name": r.Plural, "singularName": r.Singular, "namespaced": r.Namespaced, "kind": r.Kind,
			"verbs": []string{"create", "delete", "get", "list", "patch", "update", "watch"},
		}
		if len(r.ShortNames) > 0 {
			entry["shortNames"] = r.ShortNames
		}
		resources = append(resources, entry)
		if r.StatusSubresource {
			resources = append(resources, map[string]any{
				"name": r.Plural + "/status", "singularName": "", "namespaced": r.Namespaced, "kind": r.Kind,
				"verbs": []string{"get", "patch", "update"},
			})
		}
	}
	if len(resources) == 0 {
		writeError(w, pathNotFound())
		return
	}
	writeObject(w, http.StatusOK, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": groupVersion, "resources": resources})
}
