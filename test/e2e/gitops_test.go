//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	// The namespace comes from the context: a flag would refuse what belongs to Kyma's namespace.
	context := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(context, []byte(s.kubectl(t, "config", "view", "--raw", "--minify")), 0o600))
	s.kubectl(t, "--kubeconfig", context, "config", "set-context", "--current", "--namespace", r.namespace)
	declared := func(manifest string, args ...string) (string, error) {
		return s.try(t.Context(), strings.NewReader(manifest), append([]string{"kubectl", "--kubeconfig", context}, append(args, "-f", "-")...)...)
	}
	apply := func(manifest string) {
		_, err := declared(manifest, "apply")
		require.NoError(t, err)
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
		out, err := declared(manifest, "diff")
		assert.NoError(t, err, "the cluster differs from what was applied: %s", out)
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

	// Nobody runs what Helm would run before a removal: docs/install.md says how to unregister.
	out, err := exec.CommandContext(t.Context(), filepath.Join(root, "bin/e2e/linux_"+runtime.GOARCH, "registration-job"), "delete",
		"--connector", filepath.Join(root, "charts/c4c-connector/files/connector.yaml"), "--params", yamlFile(t, r.form), "--kubeconfig", context,
		"--instance", r.namespace+"/"+r.name, "--namespace", r.namespace,
		"--state-secret", r.name+"-state", "--generated-secret", r.name+"-generated", "--status-configmap", r.name+"-status").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "left: 0")
	_, err = declared(manifest, "delete", "--ignore-not-found", "--wait", "--timeout=120s")
	require.NoError(t, err)
	// Jobs of earlier versions are what a GitOps tool prunes.
	s.kubectl(t, "-n", r.namespace, "delete", "jobs", "-l", "app.kubernetes.io/instance="+r.name, "--wait")
	r.gone(t)
}
