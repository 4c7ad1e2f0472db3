package lint

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

func securityRules() []Rule {
	return []Rule{
		{
			ID: "SEC001", Severity: Error, Suite: SuiteSecurity,
			Summary: "a secret of the form appears in Secrets only",
			Effect:  "everybody who may read ConfigMaps or pods can read it",
			Next:    "mount the Secret, or refer to it with secretKeyRef",
			plan: func(p *planContext) []problem {
				var problems []problem
				for _, r := range p.render() {
					for _, m := range r.manifests {
						if m.Kind == "Secret" {
							continue
						}
						for _, marker := range slices.Sorted(maps.Keys(r.secrets)) {
							if holds(string(m.Content), marker) {
								problems = append(problems, p.sourceProblem(m, "%s holds the secret %s", m.Kind, r.secrets[marker]))
							}
						}
					}
				}
				return unique(problems)
			},
		},
	}
}

// holds says whether a text holds a marker, plain or in base64 at whatever offset.
func holds(text, marker string) bool {
	if strings.Contains(text, marker) {
		return true
	}
	for offset := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + marker))
		// Leave out the digits that depend on what is around the marker.
		if strings.Contains(text, encoded[4:len(encoded)-4]) {
			return true
		}
	}
	return false
}
