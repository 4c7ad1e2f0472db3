package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// The exit codes of every binary.
const (
	ExitOK     = 0 // done
	ExitRetry  = 1 // failed, worth another try
	ExitConfig = 2 // configuration or usage: somebody has to change something first
)

// ExitError is an error with an exit code of its own. A nil Err means that everything has been said
// already: Execute prints nothing more.
type ExitError struct {
	Code int
	Err  error
}

// Error implements error.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap implements errors.Unwrap.
func (e *ExitError) Unwrap() error { return e.Err }

// Config marks an error as one of configuration: exit code 2. A nil error stays nil.
func Config(err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{Code: ExitConfig, Err: err}
}

// Execute runs the command tree and returns the exit code: the one of an ExitError, ExitRetry for any
// other error of a command, ExitConfig for everything that is wrong with the command line itself. It
// prints the error to streams.Err, once, as "error: …".
func Execute(ctx context.Context, root *cobra.Command, args []string, getenv func(string) string, streams Streams) int {
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SilenceUsage, root.SilenceErrors = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newReference())
	EnvFlags(root, getenv)
	walk(root, markRunErrors)

	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	var ran *runError
	if !errors.As(err, &ran) {
		fmt.Fprintf(streams.Err, "error: %v\nhint: see %s --help\n", err, cmd.CommandPath())
		return ExitConfig
	}
	code := ExitRetry
	var exit *ExitError
	if errors.As(ran.err, &exit) {
		code = exit.Code
		if exit.Err == nil {
			return code
		}
	}
	fmt.Fprintf(streams.Err, "error: %v\n", ran.err)
	return code
}

// runError tells what a command returned from what cobra found wrong with the command line.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

func markRunErrors(cmd *cobra.Command) {
	// A command that only holds others would otherwise show its help and succeed on a misspelt name.
	if !cmd.Runnable() && cmd.HasSubCommands() {
		cmd.Args = cobra.NoArgs
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		return
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args); err != nil {
				return &runError{err}
			}
			return nil
		}
	}
}
