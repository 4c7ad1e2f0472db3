package objects_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/objects"
)

const service = `
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {ports: [{name: http, port: 80}]}
`

func TestStrictFindsWhatTheAPIServerWouldFind(t *testing.T) {
	t.Parallel()
	k := objects.New()
	assert.Empty(t, k.Strict([]byte(service)))
	assert.Equal(t, []string{`unknown field "spec.prots"`}, k.Strict([]byte("apiVersion: v1\nkind: Service\nspec: {prots: []}\n")))
	assert.NotEmpty(t, k.Strict([]byte("apiVersion: v1\nkind: Service\nspec: {ports: [{port: http}]}\n")), "a number is wanted")
	assert.NotEmpty(t, k.Strict([]byte("apiVersion: v1\nkind: ConfigMap\ndata: {a: 1}\n")), "a text is wanted")
	assert.Empty(t, k.Strict([]byte("apiVersion: example.com/v1\nkind: Other\nwhat: ever\n")), "a kind of somebody else's")
}

func TestRemovedKnowsWhenAnAPIWent(t *testing.T) {
	t.Parallel()
	k := objects.New()
	assert.Equal(t, "1.22", k.Removed("extensions/v1beta1", "Ingress", "1.33.0"))
	assert.Empty(t, k.Removed("extensions/v1beta1", "Ingress", "1.15.0"))
	assert.Empty(t, k.Removed("v1", "Service", "1.33.0"))
	assert.Empty(t, k.Removed("example.com/v1", "Other", "1.33.0"))
}

func TestRestrictedIsThePodSecurityStandard(t *testing.T) {
	t.Parallel()
	k := objects.New()
	const pod = `
apiVersion: batch/v1
kind: CronJob
spec:
  jobTemplate:
    spec:
      template:
        spec:
          securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
          containers:
            - name: a
              securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [%s]}}
`
	problems, err := k.Restricted([]byte(pod[:len(pod)-len("%s]}}\n")] + "ALL]}}\n"))
	require.NoError(t, err)
	assert.Empty(t, problems)
	problems, err = k.Restricted([]byte(pod[:len(pod)-len("%s]}}\n")] + "NET_RAW]}}\n"))
	require.NoError(t, err)
	require.Len(t, problems, 1)
	assert.Contains(t, problems[0], "unrestricted capabilities")
	problems, err = k.Restricted([]byte(service))
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestJSONPath(t *testing.T) {
	t.Parallel()
	k := objects.New()
	for path, want := range map[string]bool{`{.spec.ports[?(@.name=="http")].port}`: true, `{.spec.clusterIP}`: false, `{.spec.ports[3].port}`: false} {
		hit, err := k.JSONPath([]byte(service), path)
		require.NoError(t, err)
		assert.Equal(t, want, hit, path)
	}
	_, err := k.JSONPath([]byte(service), `{.spec`)
	assert.Error(t, err)
}
