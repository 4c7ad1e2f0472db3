package provision

import (
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// Write writes the release as YAML documents: first the hooks, in the order of their kinds, then the
// manifests. The values of Secrets are replaced by a placeholder unless showSecrets is set.
func (r *Release) Write(w io.Writer, showSecrets bool) error {
	for _, h := range r.Hooks {
		if err := r.write(w, h.Manifest, showSecrets); err != nil {
			return err
		}
	}
	for _, m := range r.Manifests {
		if err := r.write(w, m, showSecrets); err != nil {
			return err
		}
	}
	return nil
}

func (r *Release) write(w io.Writer, m Manifest, showSecrets bool) error {
	content := string(m.Content)
	if !showSecrets {
		if m.Kind == "Secret" {
			masked, err := maskSecret(m.Content)
			if err != nil {
				return fmt.Errorf("%s: %w", m.Source, err)
			}
			content = string(masked)
		}
		content = r.redactor.Redact(content)
	}
	_, err := fmt.Fprintf(w, "---\n# Source: %s\n%s\n", m.Source, strings.TrimSpace(content))
	return err
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
