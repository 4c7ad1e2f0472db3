//go:build e2e

package e2e

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGitOps renders offline and applies, as a GitOps tool does: applied again it makes no difference, and no secret
// changes.
func TestGitOps(t *testing.T) {
	s := newSuite(t)
	y := s.system(t, "c4c")
	r := s.newRelease(t, y, "gitops", "declared", map[string]string{"application_name": "declared"})
	more := map[string]any{
		"registration": map[string]any{"hooks": false},
		"capabilities": map[string]any{"kubeVersion": "1.36", "apiVersions": []string{"gateway.kyma-project.io/v2/APIRule", "eventing.kyma-project.io/v1alpha2/Subscription"}},
	}
	render := func() string {
		return s.helm(t, "template", r.name, s.chart(t, "c4c"), "-n", r.namespace, "-f", r.valuesFile(t, more))
	}
	apply := func(manifest string) {
		s.run(t, strings.NewReader(manifest), "kubectl", "-n", r.namespace, "apply", "-f", "-")
		s.kubectl(t, "-n", r.namespace, "wait", "--for=condition=Complete", "job", "--all", "--timeout=120s")
		s.kubectl(t, "-n", r.namespace, "rollout", "status", "deployment/"+r.name+"-gateway", "--timeout=120s")
	}
	secrets := func() map[string]map[string]string {
		all := map[string]map[string]string{}
		for _, namespace := range []string{r.namespace, "kyma-system"} {
			for _, name := range strings.Fields(s.kubectl(t, "-n", namespace, "get", "secrets", "-o", "name")) {
				name = strings.TrimPrefix(name, "secret/")
				all[namespace+"/"+name] = s.secret(t, namespace, name)
			}
		}
		return all
	}
	noDiff := func(manifest string) {
		out, err := s.try(t.Context(), strings.NewReader(manifest), "kubectl", "-n", r.namespace, "diff", "-f", "-")
		var failed *exec.ExitError
		assert.False(t, errors.As(err, &failed), "the cluster differs from what was applied: %s %v", out, err)
	}
	manifest := render()
	require.Equal(t, manifest, render(), "rendered twice, it is the same")
	apply(manifest)
	r.registered(t, "basic_password")
	before, uids := secrets(), s.kubectl(t, "-n", r.namespace, "get", "jobs,pods,secrets", "-o", "jsonpath={.items[*].metadata.uid}")
	require.Contains(t, before, "gitops/declared-generated")
	for range 2 {
		apply(manifest)
		noDiff(manifest)
		assert.Equal(t, before, secrets(), "no secret changed")
		assert.Equal(t, uids, s.kubectl(t, "-n", r.namespace, "get", "jobs,pods,secrets", "-o", "jsonpath={.items[*].metadata.uid}"), "nothing was made anew")
	}
	r.connect(t)
	y.fire(t, r)

	r.form["basic_user"] = y.params["basic_user"]
	more["gateway"] = map[string]any{"replicas": 2}
	more["registration"].(map[string]any)["parallel"] = 4
	manifest = render()
	apply(manifest)
	noDiff(manifest)
	assert.Equal(t, before, secrets(), "an upgrade that changes no secret changes none")
	r.registered(t, "basic_password")

	// What was registered is taken back by a Job of one's own, with the rights of the one that deletes: rendered with hooks.
	more["registration"].(map[string]any)["hooks"] = true
	hooks := s.helm(t, "template", r.name, s.chart(t, "c4c"), "-n", r.namespace, "-f", r.valuesFile(t, more))
	var remove []string
	for _, document := range strings.Split(hooks, "\n---\n") {
		if strings.Contains(document, "helm.sh/hook: pre-delete") {
			remove = append(remove, document)
		}
	}
	require.NotEmpty(t, remove)
	removal := strings.Join(remove, "\n---\n")
	s.run(t, strings.NewReader(removal), "kubectl", "-n", r.namespace, "apply", "-f", "-")
	s.kubectl(t, "-n", r.namespace, "wait", "--for=condition=Complete", "job/"+r.name+"-delete", "--timeout=120s")
	s.run(t, strings.NewReader(removal), "kubectl", "-n", r.namespace, "delete", "-f", "-", "--ignore-not-found", "--wait", "--timeout=60s")
	s.run(t, strings.NewReader(manifest), "kubectl", "-n", r.namespace, "delete", "-f", "-", "--ignore-not-found", "--wait", "--timeout=120s")
	// Jobs of earlier versions are what a GitOps tool prunes.
	s.kubectl(t, "-n", r.namespace, "delete", "jobs", "-l", "app.kubernetes.io/instance="+r.name, "--wait")
	r.gone(t)
}
