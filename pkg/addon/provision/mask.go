package provision

import (
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// Write writes the release as YAML documents: first the hooks, in the order of their kinds, then the
// manifests. The values of secrets are replaced by a placeholder unless showSecrets is set.
func (r *Release) Write(w io.Writer, showSecrets bool) error {
	for _, m := range r.all() {
		content, err := r.shown(m, showSecrets)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "---\n# Source: %s\n%s\n", m.Source, strings.TrimSpace(content)); err != nil {
			return err
		}
	}
	return nil
}

// Objects returns what Write writes, as values.
func (r *Release) Objects(showSecrets bool) ([]map[string]any, error) {
	objects := []map[string]any{}
	for _, m := range r.all() {
		content, err := r.shown(m, showSecrets)
		if err != nil {
			return nil, err
		}
		var object map[string]any
		if err := yaml.Unmarshal([]byte(content), &object); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Source, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func (r *Release) all() []Manifest {
	var all []Manifest
	for _, h := range r.Hooks {
		all = append(all, h.Manifest)
	}
	return append(all, r.Manifests...)
}

// shown is the content of a manifest, as it may be shown.
func (r *Release) shown(m Manifest, showSecrets bool) (string, error) {
	if showSecrets {
		return string(m.Content), nil
	}
	content := m.Content
	if m.Kind == "Secret" {
		var err error
		if content, err = maskSecret(content); err != nil {
			return "", fmt.Errorf("%s: %w", m.Source, err)
		}
	}
	return r.redactor.Redact(string(content)), nil
}

// maskSecret replaces the values of a Secret and keeps its keys.
func maskSecret(document []byte) ([]byte, error) {
	var object map[string]any
	if err := yaml.Unmarshal(document, &object); err != nil {
		return nil, err
	}
	for _, field := range []string{"data", "stringData"} {
		values, _ := object[field].(map[string]any)
		for key := range values {
			values[key] = secret.Placeholder
		}
	}
	return yaml.Marshal(object)
}
