package eventgateway

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/buffer"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

func newBuffer(streams cli.Streams) *cobra.Command {
	cmd := &cobra.Command{Use: "buffer", Short: "Look after the buffer on disk"}
	cmd.AddCommand(newSalvage(streams))
	return cmd
}

func newSalvage(streams cli.Streams) *cobra.Command {
	var dir, out string
	cmd := &cobra.Command{
		Use:   "salvage",
		Short: "Recover what is intact of a damaged buffer",
		Long: `Recover what is intact of a damaged buffer into a new one. The old one is not changed.

The structure of the file is not trusted: every value whose checksum holds is taken, wherever it stands. Events that
were published, and dead letters that were dropped, shortly before the damage may be among them; events keep their ids.`,
		Example: `  event-gateway buffer salvage --buffer-dir /var/lib/connector --out /var/lib/connector/recovered`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if dir == "" || out == "" {
				return cli.Config(fmt.Errorf("name the damaged buffer with --buffer-dir and an empty directory with --out"))
			}
			s, err := buffer.Salvage(dir, out)
			if err != nil {
				return cli.Config(err)
			}
			fmt.Fprintf(streams.Out, "recovered %d deliveries with events to publish and %d dead letters; left out %d that were published before\n", s.Records, s.DeadLetters, s.Old)
			fmt.Fprintf(streams.Out, "next: start the gateway with --buffer-dir %s, or move its %s to the old place\n", out, buffer.StoreName)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "buffer-dir", "", "directory of the damaged buffer")
	cmd.Flags().StringVar(&out, "out", "", "directory for the new one")
	return cmd
}
