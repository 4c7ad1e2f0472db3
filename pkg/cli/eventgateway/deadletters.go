package eventgateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/buffer"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/deadletter"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// lettersOptions are the flags of all deadletters commands.
type lettersOptions struct {
	definition definitionFlags
	buffer     bufferFlags
	relay      string
	output     string
}

func newDeadLetters(streams cli.Streams) *cobra.Command {
	o := &lettersOptions{}
	cmd := &cobra.Command{
		Use:   "deadletters",
		Short: "List, show, replay and drop events that could not be published",
		Long: `List, show, replay and drop events that could not be published.

On disk: while a gateway has the buffer open, it does the work; otherwise the command opens the buffer itself. In a
cluster, run it in the gateway's pod, where the environment says where the buffer is.`,
		Example: `  kubectl exec acme-gateway-0 -- event-gateway deadletters list
  event-gateway deadletters list --buffer-dir /var/lib/connector
  event-gateway deadletters show 000000000001 --buffer-dir /var/lib/connector
  event-gateway deadletters replay --all --reason unknown_type --dry-run --buffer-dir /var/lib/connector
  event-gateway deadletters drop 000000000001 --buffer-dir /var/lib/connector
  event-gateway deadletters list --relay ingest --buffer-dir /var/lib/connector`,
	}
	flags := cmd.PersistentFlags()
	o.definition.bind(flags)
	flags.StringVar(&o.buffer.kind, "buffer", bufferDisk, "disk or jetstream")
	o.buffer.bindPlace(flags)
	flags.StringVar(&o.relay, "relay", "", "name of a relay of the definition: its dead letters, which the system did not want")
	flags.StringVar(&o.output, "output", "text", "text or json")
	cmd.AddCommand(o.list(streams), o.show(streams), o.replay(streams), o.drop(streams))
	return cmd
}

func (o *lettersOptions) list(streams cli.Streams) *cobra.Command {
	var after string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, the oldest first, without payloads", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd.Context(), func(m deadletter.Manager) error {
				list, err := m.List(cmd.Context(), after, limit)
				if err != nil {
					return err
				}
				return o.print(streams.Out, list, func(w io.Writer) { printList(w, list) })
			})
		},
	}
	cmd.Flags().StringVar(&after, "after", "", "begin after this dead letter")
	cmd.Flags().IntVar(&limit, "limit", 100, fmt.Sprintf("how many at most, up to %d", deadletter.MaxPage))
	return cmd
}

func printList(w io.Writer, list []deadletter.Summary) {
	if len(list) == 0 {
		fmt.Fprintln(w, "no dead letters")
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tFAILED\tREASON\tATTEMPTS\tDELIVERY\tTYPE\tEVENT\tDETAIL")
	for _, l := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", l.ID, l.Failed.UTC().Format(time.RFC3339), l.Reason, l.Attempts, l.Delivery, l.EventType, l.EventID, l.Detail)
	}
	_ = table.Flush()
}

func (o *lettersOptions) show(streams cli.Streams) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a dead letter with its payload, as JSON", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.with(cmd.Context(), func(m deadletter.Manager) error {
				letter, err := m.Show(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return printJSON(streams.Out, letter)
			})
		},
	}
}

func (o *lettersOptions) replay(streams cli.Streams) *cobra.Command {
	var r deadletter.Replay
	cmd := &cobra.Command{
		Use: "replay [ID...]", Short: "Publish dead letters again",
		Long: `Publish dead letters again. What could not be mapped is mapped again with the definition of now; --remap does that
with the others too. A running gateway uses its own definition; without one, name it with --connector and --params.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.IDs = args
			return o.with(cmd.Context(), func(m deadletter.Manager) error {
				results, err := m.Replay(cmd.Context(), r)
				if err != nil {
					return cli.Config(err)
				}
				return o.results(streams.Out, results)
			})
		},
	}
	cmd.Flags().BoolVar(&r.All, "all", false, "all dead letters")
	cmd.Flags().StringVar(&r.Reason, "reason", "", "with --all: only those that failed for this reason")
	cmd.Flags().BoolVar(&r.Remap, "remap", false, "map the raw deliveries again")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "change nothing and show what would be published")
	return cmd
}

func (o *lettersOptions) drop(streams cli.Streams) *cobra.Command {
	var s deadletter.Selection
	cmd := &cobra.Command{
		Use: "drop [ID...]", Short: "Erase dead letters",
		RunE: func(cmd *cobra.Command, args []string) error {
			s.IDs = args
			return o.with(cmd.Context(), func(m deadletter.Manager) error {
				results, err := m.Drop(cmd.Context(), s)
				if err != nil {
					return cli.Config(err)
				}
				return o.results(streams.Out, results)
			})
		},
	}
	cmd.Flags().BoolVar(&s.All, "all", false, "all dead letters")
	cmd.Flags().StringVar(&s.Reason, "reason", "", "with --all: only those that failed for this reason")
	return cmd
}

func (o *lettersOptions) results(w io.Writer, results []deadletter.Result) error {
	failed := 0
	for _, r := range results {
		if r.Error != "" {
			failed++
		}
	}
	err := o.print(w, results, func(w io.Writer) {
		for _, r := range results {
			if r.Error != "" {
				fmt.Fprintf(w, "%s: error: %s\n", r.ID, r.Error)
				continue
			}
			fmt.Fprintf(w, "%s: %s\n", r.ID, r.Done)
			for _, e := range r.Events {
				fmt.Fprintf(w, "  %s %s from %s: %s\n", e.FullType(), e.ID, e.Source, e.Data)
			}
		}
	})
	if err == nil && failed > 0 {
		return fmt.Errorf("%d of %d dead letters are still there", failed, len(results))
	}
	return err
}

func (o *lettersOptions) print(w io.Writer, v any, text func(io.Writer)) error {
	switch o.output {
	case "json":
		return printJSON(w, v)
	case "text":
		text(w)
		return nil
	}
	return cli.Config(fmt.Errorf("--output %q: want text or json", o.output))
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// with does something with the dead letters, wherever they are.
func (o *lettersOptions) with(ctx context.Context, do func(deadletter.Manager) error) (err error) {
	if err := o.buffer.check(); err != nil {
		return cli.Config(err)
	}
	var loaded *setup
	service := &deadletter.Service{}
	if o.definition.connector != "" {
		if loaded, err = o.definition.load(); err != nil {
			return cli.Config(err)
		}
		service.Remap = loaded.remap(func(event.Event) error { return nil })
	}
	if o.relay != "" {
		service.Remap = noRemap
	}
	var store gateway.Store
	switch o.buffer.kind {
	case bufferDisk:
		options := o.buffer.disk(o.relay, 1)
		if o.relay != "" {
			if _, err := os.Stat(options.Dir); err != nil {
				return cli.Config(fmt.Errorf("there is no store of a relay %q: %w", o.relay, err))
			}
		}
		store, err = buffer.OpenDisk(options)
		if errors.Is(err, buffer.ErrStoreInUse) {
			manager, err := reachManagement(options.Dir)
			if err != nil {
				return err
			}
			return do(manager)
		}
	case bufferJetStream:
		store, err = o.openStreams(ctx, loaded)
	default:
		err = fmt.Errorf("--buffer %s keeps no dead letters: want disk or jetstream", o.buffer.kind)
	}
	if err != nil {
		return cli.Config(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	service.Letters = store
	return do(service)
}

// openStreams waits for the streams: a command has no time to come back later.
func (o *lettersOptions) openStreams(ctx context.Context, loaded *setup) (gateway.Store, error) {
	stream := o.buffer.stream
	if loaded != nil {
		stream = o.buffer.streamName(loaded.definition, loaded.application)
	}
	if stream == "" {
		return nil, errors.New("name the stream with --buffer-stream, or the connector with --connector and --params")
	}
	options := o.buffer.jetStream(relayStream(stream, o.relay))
	options.LettersOnly = true
	store, err := buffer.OpenJetStream(options)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); store.Status().Problem != nil; {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return nil, errors.Join(store.Status().Problem, store.Close())
		}
		time.Sleep(50 * time.Millisecond)
	}
	return store, nil
}
