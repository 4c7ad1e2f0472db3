// Package cli holds what the command lines of all binaries share: streams, exit codes, flags that also
// come from the environment.
package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// Streams are a command's standard streams. Out is the result, Err the conversation.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// IsTerminal says that a person watches Out, so that decoration is welcome.
	IsTerminal bool
}

// Main is the signature of a binary: everything it knows of the outside is an argument. The result is
// the exit code.
type Main func(ctx context.Context, args []string, getenv func(string) string, streams Streams) int

// Process runs main with this process's arguments, environment and streams. SIGINT and SIGTERM cancel
// the context.
func Process(main Main) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	streams := Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	if info, err := os.Stdout.Stat(); err == nil {
		streams.IsTerminal = info.Mode()&os.ModeCharDevice != 0
	}
	return main(ctx, os.Args[1:], os.Getenv, streams)
}

// version is set by the linker (see the Makefile), and only by it.
var version string

// Version is the version that the binary was built from, "(devel)" where the build does not know.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
