package mapping_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonschema"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// catalog is an AsyncAPI document.
type catalog struct {
	Channels map[string]struct {
		Subscribe struct {
			Message message
		}
	}
	Components struct {
		Messages map[string]message
		Schemas  map[string]json.RawMessage
	}
}

type message struct {
	Ref      string `json:"$ref"`
	Payload  json.RawMessage
	Examples []struct{ Payload json.RawMessage }
}

func readCatalog(t *testing.T, d *connector.Definition) (catalog, []byte) {
	t.Helper()
	data, err := d.File(d.Events.Catalog)
	require.NoError(t, err)
	document, err := yaml.YAMLToJSONStrict(data)
	require.NoError(t, err)
	var c catalog
	require.NoError(t, json.Unmarshal(document, &c))
	return c, document
}

// message is the message of a channel, with its payload schema and examples.
func (c catalog) message(channel string) message {
	m := c.Channels[channel].Subscribe.Message
	if name, found := strings.CutPrefix(m.Ref, "#/components/messages/"); found {
		return c.Components.Messages[name]
	}
	return m
}

// schema compiles the schema of a channel's payload, with what it refers to beside it.
func (c catalog) schema(t *testing.T, channel string) *jsonschema.Schema {
	t.Helper()
	document, err := json.Marshal(map[string]any{
		"$ref": "#/payload", "payload": c.message(channel).Payload, "components": map[string]any{"schemas": c.Components.Schemas},
	})
	require.NoError(t, err)
	schema, err := jsonschema.Compile(document)
	require.NoError(t, err, channel)
	return schema
}

// TestCatalogs: a catalog is AsyncAPI 2, each event type has a payload schema and an example that fits it, and
// so does every event that the samples become.
func TestCatalogs(t *testing.T) {
	t.Parallel()
	structure, err := os.ReadFile("testdata/catalog.schema.json")
	require.NoError(t, err)
	asyncAPI, err := jsonschema.Compile(structure)
	require.NoError(t, err)
	for _, dir := range samplesIn(t, "../../charts/*/samples") {
		t.Run(filepath.Base(filepath.Dir(dir)), func(t *testing.T) {
			t.Parallel()
			d, err := connector.Load(os.DirFS(filepath.Join(dir, "../files")))
			require.NoError(t, err)
			if d.Events == nil {
				return
			}
			c, document := readCatalog(t, d)
			assert.Empty(t, asyncAPI.Check(document))
			schemas := map[string]*jsonschema.Schema{}
			for _, eventType := range d.EventTypes() {
				channel := eventType.FullType()
				schemas[channel] = c.schema(t, channel)
				for _, example := range c.message(channel).Examples {
					assert.Empty(t, schemas[channel].Check(example.Payload), "example of %s", channel)
				}
			}
			samples, err := sample.Load(os.DirFS(dir))
			require.NoError(t, err)
			outcomes, sampled := map[string]bool{}, map[string]bool{}
			for _, s := range samples {
				outcomes[s.Golden.Outcome] = true
				for _, e := range s.Golden.Events {
					sampled[e.FullType()] = true
					if schema, listed := schemas[e.FullType()]; listed {
						assert.Empty(t, schema.Check(e.Data), "%s: %s", s.Name, e.FullType())
					}
				}
			}
			for _, eventType := range d.EventTypes() {
				assert.True(t, sampled[eventType.FullType()], "no sample brings %s", eventType.FullType())
			}
			for _, outcome := range []string{sample.Accepted, sample.Duplicate, sample.Refused} {
				assert.True(t, outcomes[outcome], "no sample is %s", outcome)
			}
			assert.True(t, outcomes[sample.Ignored] || outcomes[sample.Malformed] || outcomes[sample.Rejected], "no sample is ignored, malformed or rejected")
		})
	}
}

// TestWebhooksAskForTheCatalog: what the catalog lists, a webhook can ask for.
func TestWebhooksAskForTheCatalog(t *testing.T) {
	t.Parallel()
	for _, dir := range samplesIn(t, "../../charts/*/samples") {
		d, err := connector.Load(os.DirFS(filepath.Join(dir, "../files")))
		require.NoError(t, err)
		for _, w := range d.Webhooks {
			if w.Each == connector.EachInstance || w.First {
				continue // it brings whatever the instance has
			}
			for _, eventType := range d.EventTypes() {
				assert.True(t, brings(d, w, eventType.Name), "%s: no webhook brings %s", d.Metadata.Name, eventType.Name)
			}
		}
	}
}

// brings says whether a topic of the webhook, or of the types of its delivery, brings events of a type.
func brings(d *connector.Definition, w connector.Webhooks, name string) bool {
	for _, topic := range w.Topics {
		for _, pattern := range topic.Types {
			if prefix, open := strings.CutSuffix(pattern, "*"); pattern == name || open && strings.HasPrefix(name, prefix) {
				return true
			}
		}
	}
	for i := range d.Deliveries {
		for _, rule := range d.Deliveries[i].Types {
			if rule.Type == name && rule.Topic != "" && len(w.Topics) == 0 {
				return true
			}
		}
	}
	return false
}
