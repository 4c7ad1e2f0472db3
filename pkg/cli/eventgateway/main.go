// Package eventgateway is the command line of the event gateway. It wires the gateway's parts together.
package eventgateway

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// Process runs the command line with this process's arguments, environment and streams and returns the
// exit code.
func Process() int {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
	return cli.Process(Main)
}

// softMemory is from when on the process collects garbage rather than grow, unless GOMEMLIMIT says another
// amount. What it has to hold is bounded to less; without this, a burst of large bodies leaves twice as much.
const softMemory = 60 << 20

// collectAt is how much a gateway's heap may grow, in percent of what is in use, before the next collection. Go's
// 100 is for heaps that are large already. This one is a few MiB: it would be collected dozens of times a second,
// and softMemory bounds it anyway.
const collectAt = 400

// tuneCollector is called once everything that stays is made, so that the start's garbage is given back first.
func tuneCollector(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.FreeOSMemory()
		debug.SetGCPercent(collectAt)
	}
}

// Main runs the command line and returns the exit code: 0 done, 1 worth another try, 2 configuration.
func Main(ctx context.Context, args []string, getenv func(string) string, streams cli.Streams) int {
	root := &cobra.Command{
		Use:   "event-gateway",
		Short: "Take events of external systems and hand them to Kyma, and the other way round",
		Long: `Take events of external systems and hand them to Kyma, and the other way round.

A connector definition says where deliveries arrive, how they prove who sent them and what events they
become. A 2xx answer means that the events are at the target, or on a persistent disk.

Exit codes: 0 done; 1 failed, worth another try; 2 configuration: somebody has to change something first.`,
		Args: cobra.NoArgs,
	}
	root.AddCommand(newServe(getenv, streams), newCheck(getenv, streams), newBuffer(streams), newDeadLetters(streams), newRelay(getenv, streams), cli.NewVersion("event-gateway", streams))
	return cli.Execute(ctx, root, args, getenv, streams)
}
