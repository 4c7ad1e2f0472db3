// Package docs holds the documents against what they describe.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// manifest is what the test looks at of an example's objects.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Runtime string
		Labels  map[string]string
		Source  any
		Types   []string
		Sink    string
	}
}

// discovered are the APIs of the examples that a system lists only when it is asked.
var discovered = map[string]string{"openconnectors": "my-hubspot"}

var (
	yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	apiBase   = regexp.MustCompile(`const api = "http://central-application-gateway\.kyma-system:8080/([^/"]+)/([^/"]+)"`)
	curled    = regexp.MustCompile(`curl '?http://central-application-gateway\.kyma-system:8080/([^/'" ]+)/([^/'" ]+)`)
	member    = regexp.MustCompile(`event\.data(?:\.([A-Za-z_.]+[A-Za-z_])|\["([^"]+)"\])`)
	taken     = regexp.MustCompile(`const \{ ([^}]+) \} = event\.data;`)
)

// TestExamples: the example of each system calls an API that is registered, subscribes to an event type that is there
// under the Application's name, reads what such events hold, and is where its Subscription delivers.
func TestExamples(t *testing.T) {
	t.Parallel()
	charts, err := filepath.Glob("../../charts/*-connector")
	require.NoError(t, err)
	require.NotEmpty(t, charts)
	for _, chart := range charts {
		name := strings.TrimSuffix(filepath.Base(chart), "-connector")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := os.ReadFile("../../docs/systems/" + name + ".md")
			require.NoError(t, err)
			d, err := connector.Load(os.DirFS(filepath.Join(chart, "files")))
			require.NoError(t, err)
			params, err := d.ReadParams(filepath.Join(chart, "samples", sample.ParamsFile))
			require.NoError(t, err)
			application, err := d.Application.Text(params.Input())
			require.NoError(t, err)

			function, subscription, code := example(t, string(page))
			assert.Equal(t, "true", function.Spec.Labels["sidecar.istio.io/inject"], "Kyma's gateway is inside the mesh")
			assert.Equal(t, application, subscription.Spec.Source)
			assert.Equal(t, "http://"+function.Metadata.Name+".my-namespace.svc.cluster.local", subscription.Spec.Sink)
			require.Len(t, subscription.Spec.Types, 1)
			full := subscription.Spec.Types[0]
			assert.True(t, slices.ContainsFunc(d.EventTypes(), func(e connector.EventType) bool { return e.FullType() == full }), full)

			bases := append(apiBase.FindAllStringSubmatch(code, -1), curled.FindAllStringSubmatch(string(page), -1)...)
			require.GreaterOrEqual(t, len(bases), 2, "the code, and a call by hand")
			for _, base := range bases {
				assert.Equal(t, application, base[1])
				assert.Contains(t, segments(t, name, d, params), base[2])
			}
			data := recorded(t, filepath.Join(chart, "samples"), full)
			fields := fieldsOf(code)
			require.NotEmpty(t, fields, "the code reads the event")
			for _, field := range fields {
				assert.True(t, gjson.GetBytes(data, field).Exists(), "%s has no %s", full, field)
			}
		})
	}
}

// example finds the function and its Subscription in a page.
func example(t *testing.T, page string) (function, subscription manifest, code string) {
	t.Helper()
	for _, block := range yamlBlock.FindAllStringSubmatch(page, -1) {
		for _, document := range strings.Split(block[1], "\n---\n") {
			var m manifest
			require.NoError(t, yaml.Unmarshal([]byte(document), &m), document)
			switch m.Kind {
			case "Function":
				function = m
				inline, err := yaml.YAMLToJSON([]byte(document))
				require.NoError(t, err)
				code = gjson.GetBytes(inline, "spec.source.inline.source").String()
			case "Subscription":
				subscription = m
			}
		}
	}
	require.NotEmpty(t, code, "no Function")
	require.NotEmpty(t, subscription.Metadata.Name, "no Subscription")
	return function, subscription, code
}

// segments are the parts of addresses that the APIs have at Kyma's gateway.
func segments(t *testing.T, name string, d *connector.Definition, params *connector.Params) []string {
	t.Helper()
	var out []string
	for _, api := range d.APIs {
		display := discovered[name]
		if api.Discover == nil {
			var err error
			display, err = api.Name.Text(params.Input())
			require.NoError(t, err)
		}
		out = append(out, registration.URLSegment(d.Metadata.Product+" - "+display))
	}
	return out
}

// recorded is the data of a recorded event.
func recorded(t *testing.T, dir, full string) []byte {
	t.Helper()
	samples, err := sample.Load(os.DirFS(dir))
	require.NoError(t, err)
	for _, s := range samples {
		for _, e := range s.Golden.Events {
			if e.FullType() == full {
				return e.Data
			}
		}
	}
	require.Fail(t, "no sample brings "+full)
	return nil
}

// fieldsOf are the paths of the event's data that the code reads.
func fieldsOf(code string) []string {
	var fields []string
	for _, match := range member.FindAllStringSubmatch(code, -1) {
		fields = append(fields, match[1]+match[2])
	}
	for _, match := range taken.FindAllStringSubmatch(code, -1) {
		fields = append(fields, strings.Split(match[1], ", ")...)
	}
	return fields
}
