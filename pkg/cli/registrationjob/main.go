// Package registrationjob is the command line of the registration Job: it brings a system's APIs and events
// into Kyma, checks that they are there, and takes them back.
package registrationjob

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// Main runs the command line and returns the exit code: 0 done, 1 worth retrying, 2 configuration or usage.
// The result goes to streams.Out, everything else to streams.Err.
func Main(ctx context.Context, args []string, getenv func(string) string, streams cli.Streams) int {
	return cli.Execute(ctx, newRoot(getenv, streams), args, getenv, streams)
}

// Process runs the command line with this process's arguments, environment and streams.
func Process() int {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	return cli.Process(Main)
}

// memoryLimit is where the garbage collector works harder. What is live at a time is far less: documents of the
// system are read as they come. Without the limit, garbage is let pile up to twice the peak of a moment.
const memoryLimit = 40 << 20

func newRoot(getenv func(string) string, streams cli.Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "registration-job",
		Short: "Register a system's APIs and events in Kyma",
		Long: `Register a system's APIs and events in Kyma.

Every flag can be set by an environment variable instead; its name is in brackets behind the flag.
Exit codes: 0 done, 1 failed but worth another try, 2 somebody has to change something first.`,
	}
	j := &job{getenv: getenv, streams: streams}
	root.AddCommand(newApply(j), newVerify(j), newDelete(j), newPrepare(j), cli.NewVersion("registration-job", streams))
	return root
}
