package charts_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// A system in a private network is called by the Jobs that ask it and by the gateway, and by nobody unless the
// operator said so.
func TestAllowedAddresses(t *testing.T) {
	t.Parallel()
	allowed := form().with(values{"system": values{"allowAddresses": []any{"10.1.2.0/24", "fd00::7"}}})
	for want, v := range map[string]values{"": form(), "10.1.2.0/24,fd00::7": allowed} {
		seen := 0
		for name, pod := range render(t, install(v)).pods(t) {
			if strings.Contains(name, "-prepare") || strings.Contains(name, "-test") {
				continue // they do not call the system
			}
			for _, c := range containers(pod) {
				assert.Equal(t, want, env(t, c)["KC_ALLOW_ADDRESS"], "%s %s", name, c.Name)
				seen++
			}
		}
		require.GreaterOrEqual(t, seen, 5, "apply, reconcile, delete, gateway and its check")
	}
}

// Programs that call the system trust the operator's certificates; the one that cleans up starts without them, too.
func TestTrustedCertificates(t *testing.T) {
	t.Parallel()
	v := form().with(values{"system": values{"trust": values{"configMap": "corporate", "key": "bundle.pem"}}})
	seen := 0
	for name, pod := range render(t, install(v)).pods(t) {
		if strings.Contains(name, "-prepare") {
			continue // it calls nobody
		}
		for _, c := range containers(pod) {
			assert.Equal(t, "/etc/connector/trust/ca.crt", env(t, c)["SSL_CERT_FILE"], name)
			assert.Contains(t, c.VolumeMounts, corev1.VolumeMount{Name: "trust", MountPath: "/etc/connector/trust", ReadOnly: true}, name)
			seen++
		}
		for _, volume := range pod.Spec.Volumes {
			if volume.Name == "trust" {
				assert.Equal(t, "corporate", volume.ConfigMap.Name)
				assert.Equal(t, []corev1.KeyToPath{{Key: "bundle.pem", Path: "ca.crt"}}, volume.ConfigMap.Items)
				assert.Equal(t, strings.Contains(name, "-delete"), volume.ConfigMap.Optional != nil && *volume.ConfigMap.Optional, name)
			}
		}
	}
	require.GreaterOrEqual(t, seen, 6, "apply, reconcile, delete, gateway and two tests")
	for name, pod := range render(t, install(form())).pods(t) {
		for _, c := range containers(pod) {
			assert.NotContains(t, env(t, c), "SSL_CERT_FILE", name)
		}
	}
}
