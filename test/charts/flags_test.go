package charts_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/cli/eventgateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/cli/registrationjob"
)

// help is what a binary says about one of its commands.
func help(t *testing.T, container string, args []string) string {
	t.Helper()
	var out bytes.Buffer
	streams := struct {
		In         io.Reader
		Out, Err   io.Writer
		IsTerminal bool
	}{strings.NewReader(""), &out, &out, false}
	args = append(slices.Clone(args), "--help")
	nothing := func(string) string { return "" }
	code := -1
	switch container {
	case "registration-job":
		code = registrationjob.Main(context.Background(), args, nothing, streams)
	case "event-gateway", "check":
		code = eventgateway.Main(context.Background(), args, nothing, streams)
	}
	require.Zero(t, code, "%s %v: %s", container, args, out.String())
	return out.String()
}

// Every variable that a chart sets stands for a flag of the command that gets it.
func TestVariablesAreFlags(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, os objects) {
		t.Helper()
		for name, pod := range os.pods(t) {
			for _, c := range containers(pod) {
				text := help(t, c.Name, c.Args)
				for variable := range env(t, c) {
					if strings.HasPrefix(variable, "KC_") {
						assert.Contains(t, text, "[$"+variable+"]", "%s: %s %v", name, c.Name, c.Args)
					}
				}
			}
		}
	}
	everyVariant(t, func(t *testing.T, _ installation, os objects) { check(t, os) })
	in := varietyOf(values{"nats": values{"credentialsSecret": "nats"}})
	check(t, render(t, in))
}
