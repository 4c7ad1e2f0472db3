package eventgateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/relay"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

func newRelay(getenv func(string) string, streams cli.Streams) *cobra.Command {
	cmd := &cobra.Command{Use: "relay", Short: "Look after the way from Kyma to the system"}
	cmd.AddCommand(newRelayCheck(getenv, streams))
	return cmd
}

// relayCheckOptions are the flags of relay check.
type relayCheckOptions struct {
	definition       definitionFlags
	relay            relayFlags
	name, file, kind string
	offline          bool
}

// maxCheckedFile bounds the file of relay check.
const maxCheckedFile = 4 << 20

func newRelayCheck(getenv func(string) string, streams cli.Streams) *cobra.Command {
	o := &relayCheckOptions{}
	cmd := &cobra.Command{
		Use:   "check --file EVENT.json",
		Short: "Show what would be sent of an event, and whether the system's schema allows it",
		Long: `Show what would be sent of an event, and whether the system's schema allows it. Nothing is sent; the system is only
asked for its schema.

The file holds a CloudEvent in structured mode, or a payload alone, which is then taken for an event of --type.`,
		Example: `  event-gateway relay check --connector connector.yaml --params params.yaml --file order.json
  kubectl exec -i deploy/acme-gateway -- event-gateway relay check --file - --type order.created.v1 < payload.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), streams) },
	}
	flags := cmd.Flags()
	o.definition.bind(flags)
	o.definition.bindAddresses(flags, getenv)
	o.relay.bind(flags)
	flags.StringVar(&o.name, "relay", "", "name of the relay; needed where the definition has several")
	flags.StringVar(&o.file, "file", "", "file with the event, - for standard input")
	flags.StringVar(&o.kind, "type", "", "full event type of a payload; without it the first one that the relay takes")
	flags.BoolVar(&o.offline, "offline", false, "do not ask the system for its schema")
	return cmd
}

func (o *relayCheckOptions) run(ctx context.Context, streams cli.Streams) error {
	s, r, err := o.load()
	if err != nil {
		return cli.Config(err)
	}
	e, err := o.event(streams.In, s.application, r.Types())
	if err != nil {
		return cli.Config(err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.relay.timeout+time.Second)
	defer cancel()
	preview := r.Preview(ctx, e, !o.offline)
	if preview.Type == "" {
		return cli.Config(fmt.Errorf("relay %q does not take events of type %q: it takes %s", r.Name(), e.FullType(), strings.Join(r.Types(), ", ")))
	}
	fmt.Fprintf(streams.Out, "relay: %s\nevent: %s\n", r.Name(), preview.Type)
	if preview.Address != "" {
		fmt.Fprintf(streams.Out, "call: %s %s\nbody:\n%s\n", preview.Method, preview.Address, indented(preview.Body))
	}
	if len(preview.Problems) > 0 {
		return cli.Config(fmt.Errorf("it would not be sent: %s", strings.Join(preview.Problems, "; ")))
	}
	if preview.Unchecked != nil {
		return fmt.Errorf("%w (--offline leaves this check out)", preview.Unchecked)
	}
	if preview.Checked {
		fmt.Fprintln(streams.Out, "schema: ok")
	}
	fmt.Fprintln(streams.Out, "it would be sent")
	return nil
}

func (o *relayCheckOptions) load() (*setup, *relay.Relay, error) {
	s, err := o.definition.load()
	if err != nil {
		return nil, nil, err
	}
	if err := s.newRelays(&o.relay, "", telemetry.NewMetrics("")); err != nil {
		return nil, nil, err
	}
	var names []string
	for _, r := range s.relays {
		if r.Name() == o.name || o.name == "" && len(s.relays) == 1 {
			return s, r, nil
		}
		names = append(names, r.Name())
	}
	if len(names) == 0 {
		return nil, nil, errors.New("the definition has no relay")
	}
	return nil, nil, fmt.Errorf("--relay %q: want one of: %s", o.name, strings.Join(names, ", "))
}

// event reads the file.
func (o *relayCheckOptions) event(stdin io.Reader, application string, types []string) (event.Event, error) {
	data, err := o.read(stdin)
	if err != nil {
		return event.Event{}, err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) == nil && members["specversion"] != nil {
		e, err := event.ParseStructured(data)
		if err != nil {
			return e, fmt.Errorf("--file %s: no CloudEvent: %w", o.file, err)
		}
		return e, nil
	}
	kind := o.kind
	if kind == "" && len(types) > 0 {
		kind = types[0]
	}
	e := event.Event{ID: "check", Source: application, Data: bytes.TrimSpace(data)}
	e.Type, e.Version = event.SplitType(kind)
	if err := e.Validate(); err != nil {
		return e, fmt.Errorf("--type %q: %w", kind, err)
	}
	return e, nil
}

func (o *relayCheckOptions) read(stdin io.Reader) ([]byte, error) {
	if o.file == "" {
		return nil, errors.New("--file is missing: name the file with the event, or - for standard input")
	}
	from := stdin
	if o.file != "-" {
		file, err := os.Open(o.file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }() // it was only read
		from = file
	}
	if from == nil {
		return nil, errors.New("--file -: there is no standard input")
	}
	data, err := io.ReadAll(io.LimitReader(from, maxCheckedFile+1))
	if err == nil && len(data) > maxCheckedFile {
		err = fmt.Errorf("--file %s: it is larger than %d bytes", o.file, maxCheckedFile)
	}
	return data, err
}

// indented is a body for people: JSON with line breaks, anything else as it is.
func indented(body []byte) []byte {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		return body
	}
	return out.Bytes()
}
