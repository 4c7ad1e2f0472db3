package lint

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

func TestTables(t *testing.T) {
	t.Parallel()
	d, err := connector.Load(fstest.MapFS{
		"connector.yaml": {Data: []byte(`
apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: demo, displayName: Demo, description: Demo., provider: Example, product: Demo}
parameters:
  system_url: {kind: url, title: System URL, description: Address., required: true, example: "https://demo.example.com"}
  mode: {kind: text, title: Mode, description: "This | that.", enum: [this, that], default: this}
application: demo
system: {url: =param("system_url")}
events: {name: Events, catalog: asyncapi.yaml}
`)},
		"asyncapi.yaml": {Data: []byte("asyncapi: 2.0.0\ninfo: {title: Demo, version: '1'}\nchannels: {order.created.v1: {subscribe: {summary: An order was created.}}}\n")},
	})
	require.NoError(t, err)
	parameters := form.Parameters{{Name: "system_url", Parameter: d.Parameters["system_url"]}, {Name: "mode", Parameter: d.Parameters["mode"]}}

	const values = "# How many,\n# at most.\nreplicas: 1\nimage: # Where it comes from.\n  name: demo\n  tag: \"\" # Or a digest.\n"

	got, err := withTables([]byte(`before
<!-- events: begin (made from the definition by addonctl lint --fix) -->
old
<!-- events: end -->
between
<!-- parameters: begin (made from the definition by addonctl lint --fix) -->
<!-- parameters: end -->
after
<!-- values: begin (made from the definition by addonctl lint --fix) -->
<!-- values: end -->
`), parameters, d, []byte(values))
	require.NoError(t, err)
	assert.Equal(t, `before
<!-- events: begin (made from the definition by addonctl lint --fix) -->

| event type | what happened |
| --- | --- |
| `+"`order.created.v1`"+` | An order was created. |

<!-- events: end -->
between
<!-- parameters: begin (made from the definition by addonctl lint --fix) -->

| field | parameter | needed | what to enter |
| --- | --- | --- | --- |
| System URL | `+"`system_url`"+` | yes | Address. For example `+"`https://demo.example.com`"+`. |
| Mode | `+"`mode`"+` | no | This \| that. One of `+"`this`, `that`"+`. Default: `+"`this`"+`. |

<!-- parameters: end -->
after
<!-- values: begin (made from the definition by addonctl lint --fix) -->

| value | default | what for |
| --- | --- | --- |
| `+"`replicas`"+` | `+"`1`"+` | How many, at most. |
| `+"`image.name`"+` | `+"`\"demo\"`"+` | Where it comes from. |
| `+"`image.tag`"+` | `+"`\"\"`"+` | Or a digest. |

<!-- values: end -->
`, string(got))

	again, err := withTables(got, parameters, d, []byte(values))
	require.NoError(t, err)
	assert.Equal(t, string(got), string(again))

	_, err = withTables([]byte("<!-- events: begin (made from the definition by addonctl lint --fix) -->\n"), parameters, d, nil)
	assert.ErrorContains(t, err, `the line "<!-- events: end -->" is missing`)
}
