package charts_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/xeipuuv/gojsonschema"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/lint/support"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the part of the charts' schemas that comes from the library")

// Charts are clean for helm lint, with nothing filled in and with each set of values.
func TestLint(t *testing.T) {
	t.Parallel()
	for _, dir := range connectors(t) {
		sets := ciValues(t, dir)
		sets["nothing"] = values{}
		for name, v := range sets {
			client := action.NewLint()
			client.Strict = true
			result := client.Run([]string{dir}, v)
			for _, message := range result.Messages {
				assert.Less(t, message.Severity, support.WarningSev, "%s, %s: %s", filepath.Base(dir), name, message)
			}
			assert.Empty(t, result.Errors, "%s, %s", filepath.Base(dir), name)
		}
	}
}

// What is wrong with the values is said in sentences that name the key, all of them at once.
func TestMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values values
		want   []string
	}{
		{"nothing filled in", values{}, []string{
			"application_name is required (Application Name): set it",
			"basic_password is required (Basic Auth Password): set it, or keep it in a Secret and set credentials.existingSecret",
			"basic_user is required (Basic Auth Username): set it",
			"system_url is required (System URL): set it",
		}},
		{"blank secret", form().with(values{"basic_password": "  "}), []string{"basic_password is blank: a secret needs a value"}},
		{"plain http", form().with(values{"system_url": "http://a.example.com"}), []string{"system_url: want https://HOST, with a path at most: no user, query or fragment"}},
		{"credentials in the URL", form().with(values{"system_url": "https://me:secret@a.example.com"}), []string{"system_url: want https://HOST"}},
		{"no host", form().with(values{"system_url": "https:///path"}), []string{"system_url: want https://HOST"}},
		{"keys without a Secret", form().with(values{"credentials": values{"keys": values{"event_user": "user"}}}), []string{"credentials.keys is set, but not the Secret: set credentials.existingSecret"}},
		{"key of an unknown field", form().with(values{"credentials": values{"existingSecret": "kept", "keys": values{"user": "user"}}}), []string{"credentials.keys.user: this connector has no such field: it has application_name, basic_password,"}},
		{"given twice", form().with(values{"credentials": values{"existingSecret": "kept", "keys": values{"basic_password": "password"}}}), []string{"basic_password is set, and credentials.keys.basic_password names a key of the Secret kept for it: keep one of the two"}},
		{"the application from a Secret", values{"system_url": "https://a.example.com", "basic_user": "u", "basic_password": "p", "credentials": values{"existingSecret": "kept", "keys": values{"application_name": "app"}}},
			[]string{"application_name comes from a Secret, but the chart needs it, too: give it as a form field"}},
		{"JetStream without an address", form().with(values{"buffer": values{"type": "jetstream"}}), []string{"buffer.type jetstream needs the address of the cluster: set buffer.jetstream.url"}},
		{"address without a kind", form().with(values{"sink": values{"url": "http://a"}, "capabilities": values{"apiVersions": []any{"gateway.kyma-project.io/v1beta1/APIRule"}}}), []string{"sink.url needs to be told what is there: set sink.kind"}},
		{"sink without an address", form().with(values{"sink": values{"kind": "cloudevents"}}), []string{"sink.kind cloudevents needs an address: set sink.url"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tryRender(t, install(tt.values))
			require.Error(t, err)
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), "secret@")
		})
	}
}

// A definition that a chart cannot install.
func TestMistakesOfTheDefinition(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ definition, want string }{
		"not YAML":                        {"a: [", "files/connector.yaml cannot be read"},
		"not a definition":                {"a: b", "files/connector.yaml is missing, empty or without parameters"},
		"application worked out":          {strings.Replace(variety, `application: =param("application_name")`, `application: =lower(param("application_name"))`, 1), `the chart cannot work out =lower(param("application_name")): give it as a form field`},
		"application of no parameter":     {strings.Replace(variety, `application: =param("application_name")`, `application: =param("app")`, 1), `there is no parameter app`},
		"host worked out by another rule": {strings.Replace(variety, `'="mqtt." + param("cluster_domain")'`, `=lower(param("cluster_domain"))`, 1), `the chart cannot work out =lower(param("cluster_domain")): set exposure.hosts.mqtt`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := varietyOf(nil)
			in.definition = tt.definition
			_, err := tryRender(t, in)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

// The schema finds what is mistyped; Helm Broker's own value, which it adds to every installation, is no mistake.
func TestSchema(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values values
		wrong  string // the key that the message names; empty where all is well
	}{
		{"form", form(), ""},
		{"nothing", values{}, ""},
		{"from Helm Broker", form().with(values{"addonsRepositoryURL": "https://example.com/index.yaml"}), ""},
		{"globals", form().with(values{"global": values{"a": "b"}}), ""},
		{"unknown key", form().with(values{"gatway": values{"replicas": 2}}), "gatway"},
		{"unknown key below", form().with(values{"gateway": values{"replica": 2}}), "replica"},
		{"number for a text", form().with(values{"basic_password": 12345}), "basic_password"},
		{"buffer", form().with(values{"buffer": values{"type": "memory"}}), "buffer"},
		{"exposure", form().with(values{"exposure": values{"type": "apirule"}}), "exposure"},
		{"gateway", form().with(values{"exposure": values{"gateway": "kyma-gateway.kyma-system.svc.cluster.local"}}), "exposure"},
		{"policy", form().with(values{"registration": values{"policy": "delete"}}), "registration"},
		{"root user", form().with(values{"securityContext": values{"runAsUser": 0}}), "securityContext"},
		{"digest", form().with(values{"images": values{"eventGateway": values{"digest": "sha256:1"}}}), "images"},
		{"replicas", form().with(values{"gateway": values{"replicas": -1}}), "gateway"},
		{"duration", form().with(values{"registration": values{"timeout": "2 minutes"}}), "registration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for engine, validate := range engines {
				message := validate(t, filepath.Join(c4c, "values.schema.json"), tt.values)
				if tt.wrong == "" {
					assert.Empty(t, message, engine)
				} else {
					assert.Contains(t, message, tt.wrong, engine)
				}
			}
		})
	}
}

// engines are the two that Helm uses: up to 3.18.4, Helm Broker's included, and since.
var engines = map[string]func(t *testing.T, schema string, v values) string{
	"gojsonschema": func(t *testing.T, schema string, v values) string {
		t.Helper()
		data, err := os.ReadFile(schema)
		require.NoError(t, err)
		asJSON, err := json.Marshal(v)
		require.NoError(t, err)
		result, err := gojsonschema.Validate(gojsonschema.NewBytesLoader(data), gojsonschema.NewBytesLoader(asJSON))
		require.NoError(t, err)
		var messages []string
		for _, e := range result.Errors() {
			messages = append(messages, e.String())
		}
		return strings.Join(messages, "\n")
	},
	"jsonschema": func(t *testing.T, schema string, v values) string {
		t.Helper()
		compiled, err := jsonschema.NewCompiler().Compile(schema)
		require.NoError(t, err)
		asJSON, err := json.Marshal(v)
		require.NoError(t, err)
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		require.NoError(t, err)
		if err := compiled.Validate(document); err != nil {
			return err.Error()
		}
		return ""
	},
}

// What the library's schema says of its values, every chart's schema says, too. -update writes it.
func TestSchemasFollowTheLibrary(t *testing.T) {
	t.Parallel()
	library := readSchema(t, filepath.Join(root, "common", "values.schema.json"))
	for _, dir := range connectors(t) {
		file := filepath.Join(dir, "values.schema.json")
		if *update {
			writeSchema(t, file, library)
		}
		schema := readSchema(t, file)
		assert.JSONEq(t, "false", string(schema.AdditionalProperties), "%s: a mistyped key has to be found", dir)
		for name, property := range library.Properties {
			assert.JSONEq(t, string(property), string(schema.Properties[name]), "%s: %s; run go test ./test/charts -update", dir, name)
		}
		definition := readDefinition(t, dir)
		for name := range definition.Parameters {
			assert.Contains(t, schema.Properties, name, dir)
			assert.NotContains(t, library.Properties, name, "%s: a field cannot be called as a value of the library is", dir)
		}
		assert.Len(t, schema.Properties, len(library.Properties)+len(definition.Parameters)+2, "%s: and addonsRepositoryURL, and common", dir)
	}
}

type schema struct {
	Properties           map[string]json.RawMessage `json:"properties"`
	AdditionalProperties json.RawMessage            `json:"additionalProperties"`
}

func readSchema(t *testing.T, file string) schema {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(data, &s))
	require.NotEmpty(t, s.Properties)
	return s
}

// writeSchema replaces the library's part at the end of a chart's schema and keeps the order of the form before it.
func writeSchema(t *testing.T, file string, library schema) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	own := readSchema(t, file)
	maps.DeleteFunc(own.Properties, func(name string, _ json.RawMessage) bool { _, known := library.Properties[name]; return known })
	names := slices.SortedFunc(maps.Keys(own.Properties), func(a, b string) int {
		return bytes.Index(data, []byte(`"`+a+`": {`)) - bytes.Index(data, []byte(`"`+b+`": {`))
	})
	var out bytes.Buffer
	out.WriteString(`{"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of ` + filepath.Base(filepath.Dir(file)) + `", "type": "object", "additionalProperties": false, "properties": {`)
	for i, name := range slices.Concat(names, sortedKeys(library.Properties)) {
		if i > 0 {
			out.WriteString(",")
		}
		property, ok := library.Properties[name]
		if !ok {
			property = own.Properties[name]
		}
		out.WriteString(`"` + name + `": ` + string(property))
	}
	out.WriteString("}}")
	var indented bytes.Buffer
	require.NoError(t, json.Indent(&indented, out.Bytes(), "", "  "))
	indented.WriteString("\n")
	require.NoError(t, os.WriteFile(file, indented.Bytes(), 0o644))
}

type definition struct {
	Parameters map[string]struct {
		Kind string `json:"kind"`
	} `json:"parameters"`
	Deliveries []struct {
		Name string         `json:"name"`
		MQTT map[string]any `json:"mqtt"`
	} `json:"deliveries"`
}

func readDefinition(t *testing.T, dir string) definition {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "files", "connector.yaml"))
	require.NoError(t, err)
	var d definition
	require.NoError(t, yaml.Unmarshal(data, &d))
	return d
}

// The library's values are documented and complete: each has a comment or stands below one, and its schema knows
// exactly the same keys.
func TestLibraryValues(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(root, "common", "values.yaml"))
	require.NoError(t, err)
	var v values
	require.NoError(t, yaml.UnmarshalStrict(data, &v))
	for engine, validate := range engines {
		assert.Empty(t, validate(t, filepath.Join(root, "common", "values.schema.json"), v), engine)
	}
	known := readSchema(t, filepath.Join(root, "common", "values.schema.json")).Properties
	delete(known, "global")
	assert.ElementsMatch(t, sortedKeys(v), sortedKeys(known))
	for name := range v {
		assert.Regexp(t, regexp.MustCompile(`(?m)^#[^\n]*\n`+name+`:`), string(data), "%s has no comment", name)
	}
}

// Every value does something: changing it changes what is rendered.
func TestEveryValueIsUsed(t *testing.T) {
	t.Parallel()
	templates, err := filepath.Glob(filepath.Join(root, "common", "templates", "*.tpl"))
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range templates {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(data)
	}
	data, err := os.ReadFile(filepath.Join(root, "common", "values.yaml"))
	require.NoError(t, err)
	var v map[string]any
	require.NoError(t, yaml.UnmarshalStrict(data, &v))
	for name, value := range v {
		group, ok := value.(map[string]any)
		if !ok {
			assert.Regexp(t, `\.`+name+`\b`, all.String())
			continue
		}
		for key := range group {
			if name == "securityContext" || key == "registrationJob" || key == "eventGateway" {
				continue // rendered as a whole, or by a computed name
			}
			assert.Regexp(t, `\.`+key+`\b`, all.String(), "%s.%s", name, key)
		}
	}
}

// The library is there as a link: one copy of every template.
func TestOneCopyOfTheLibrary(t *testing.T) {
	t.Parallel()
	for _, dir := range connectors(t) {
		target, err := os.Readlink(filepath.Join(dir, "charts", "common"))
		require.NoError(t, err)
		assert.Equal(t, filepath.Join("..", "..", "common"), target)
		templates, err := filepath.Glob(filepath.Join(dir, "templates", "*"))
		require.NoError(t, err)
		for _, file := range templates {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, 1, bytes.Count(data, []byte("{{")), "%s: one include, nothing else", file)
		}
		c := load(t, dir)
		assert.Equal(t, c.Metadata.Dependencies[0].Version, c.Dependencies()[0].Metadata.Version)
		assert.Equal(t, c.Metadata.KubeVersion, c.Dependencies()[0].Metadata.KubeVersion)
	}
}
