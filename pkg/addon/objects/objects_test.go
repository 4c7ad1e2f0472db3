package objects_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/objects"
)

const service = `
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {ports: [{name: http, port: 80}]}
`

// objectOf is what a document says.
func objectOf(t *testing.T, document string) any {
	t.Helper()
	var object any
	require.NoError(t, yaml.Unmarshal([]byte(document), &object))
	return object
}

func TestStrictFindsWhatTheAPIServerWouldFind(t *testing.T) {
	t.Parallel()
	k := objects.New()
	for document, want := range map[string]string{
		service: "",
		"apiVersion: v1\nkind: Service\nspec: {prots: []}\n":                `unknown field "spec.prots"`,
		"apiVersion: v1\nKind: Service\nkind: Service\n":                    `unknown field "Kind"`,
		"apiVersion: v1\nkind: Service\nspec: {ports: [{port: http}]}\n":    "cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32",
		"apiVersion: v1\nkind: ConfigMap\ndata: {a: 1}\n":                   "cannot unmarshal number into Go struct field ConfigMap.data of type string",
		"apiVersion: v1\nkind: ResourceQuota\nspec: {hard: {pods: many}}\n": "quantities must match",
		"apiVersion: v1\nmetadata: {}\n":                                    "Object 'Kind' is missing",
		"kind: Service\n":                                                   "Object 'apiVersion' is missing",
		"apiVersion: a/b/c\nkind: Service\n":                                "unexpected GroupVersion string: a/b/c",
		"apiVersion: example.com/v1\nkind: Other\nwhat: ever\n":             "",
	} {
		found := k.Strict([]byte(document), nil)
		if want == "" {
			assert.Empty(t, found, document)
		} else if assert.Len(t, found, 1, document) {
			assert.Contains(t, found[0], want, document)
		}
		again := k.Strict([]byte(document), objectOf(t, document))
		if assert.Len(t, again, len(found), document) && want != "" {
			assert.Contains(t, again[0], want, document)
		}
	}
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
	for _, known := range []bool{true, false} {
		restricted := func(document string) []string {
			var object any
			if known {
				object = objectOf(t, document)
			}
			problems, err := k.Restricted([]byte(document), object)
			require.NoError(t, err)
			return problems
		}
		assert.Empty(t, restricted(fmt.Sprintf(pod, "ALL")))
		problems := restricted(fmt.Sprintf(pod, "NET_RAW"))
		require.Len(t, problems, 1)
		assert.Contains(t, problems[0], "unrestricted capabilities")
		assert.Len(t, restricted(fmt.Sprintf(pod, "NET_RAW")+"unknown: 1\n"), 1, "other fields do not count")
		assert.Empty(t, restricted(service))
		assert.Empty(t, restricted("kind: Pod\n"))
	}
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
