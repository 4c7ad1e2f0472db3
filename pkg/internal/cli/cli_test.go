package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// tool is a command tree as the binaries build it: a root, a command with flags, a required one among them.
func tool(result error) *cobra.Command {
	var (
		url     string
		places  []string
		timeout time.Duration
		verbose bool
	)
	root := &cobra.Command{Use: "tool"}
	root.PersistentFlags().BoolVar(&verbose, "verbose", false, "say more")
	run := &cobra.Command{
		Use:  "run",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.OutOrStdout(), url, places, timeout, verbose)
			return result
		},
	}
	run.Flags().StringVar(&url, "sink-url", "", "where to send")
	run.Flags().StringArrayVar(&places, "params", nil, "where parameters are")
	run.Flags().DurationVar(&timeout, "timeout", time.Minute, "when to give up")
	_ = run.MarkFlagRequired("sink-url")
	root.AddCommand(run)
	return root
}

func TestFlagsComeFromTheCommandLineOrTheEnvironment(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		env  map[string]string
		out  string
	}{
		{"flags", []string{"run", "--sink-url=a", "--params=x", "--params=y", "--verbose"}, nil, "a [x y] 1m0s true\n"},
		{"environment", []string{"run"}, map[string]string{"KC_SINK_URL": "b", "KC_PARAMS": "x, y,z", "KC_TIMEOUT": "5s", "KC_VERBOSE": "true"}, "b [x y z] 5s true\n"},
		{"the flag wins", []string{"run", "--sink-url=a", "--params=x"}, map[string]string{"KC_SINK_URL": "b", "KC_PARAMS": "y"}, "a [x] 1m0s false\n"},
		{"an empty variable counts as absent", []string{"run", "--sink-url=a"}, map[string]string{"KC_TIMEOUT": ""}, "a [] 1m0s false\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, errOut bytes.Buffer
			code := cli.Execute(context.Background(), tool(nil), tt.args, func(n string) string { return tt.env[n] }, cli.Streams{Out: &out, Err: &errOut})
			assert.Equal(t, cli.ExitOK, code)
			assert.Equal(t, tt.out, out.String())
			assert.Empty(t, errOut.String())
		})
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		args   []string
		env    map[string]string
		result error
		code   int
		err    string
	}{
		{"done", []string{"run", "--sink-url=a"}, nil, nil, 0, ""},
		{"failed", []string{"run", "--sink-url=a"}, nil, errors.New("no answer"), 1, "error: no answer\n"},
		{"configuration", []string{"run", "--sink-url=a"}, nil, cli.Config(errors.New("no host")), 2, "error: no host\n"},
		{"wrapped", []string{"run", "--sink-url=a"}, nil, fmt.Errorf("system: %w", cli.Config(errors.New("no host"))), 2, "error: system: no host\n"},
		{"already said", []string{"run", "--sink-url=a"}, nil, &cli.ExitError{Code: 1}, 1, ""},
		{"unknown flag", []string{"run", "--sink"}, nil, nil, 2, "error: unknown flag: --sink\nhint: see tool run --help\n"},
		{"unknown command", []string{"walk"}, nil, nil, 2, "error: unknown command \"walk\" for \"tool\"\nhint: see tool --help\n"},
		{"surplus argument", []string{"run", "fast"}, nil, nil, 2, "error: unknown command \"fast\" for \"tool run\"\nhint: see tool run --help\n"},
		{"missing flag", []string{"run"}, nil, nil, 2, "error: required flag(s) \"sink-url\" not set\nhint: see tool run --help\n"},
		{"bad variable", []string{"run"}, map[string]string{"KC_TIMEOUT": "soon"}, nil, 2, "error: environment variable KC_TIMEOUT: time: invalid duration \"soon\"\nhint: see tool run --help\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, errOut bytes.Buffer
			code := cli.Execute(context.Background(), tool(tt.result), tt.args, func(n string) string { return tt.env[n] }, cli.Streams{Out: &out, Err: &errOut})
			assert.Equal(t, tt.code, code)
			assert.Equal(t, tt.err, errOut.String())
		})
	}
}

func TestHelpNamesTheVariables(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	code := cli.Execute(context.Background(), tool(nil), []string{"run", "--help"}, func(string) string { return "" }, cli.Streams{Out: &out, Err: &errOut})
	assert.Equal(t, cli.ExitOK, code)
	assert.Contains(t, out.String(), "[$KC_SINK_URL]")
	assert.Contains(t, out.String(), "[$KC_VERBOSE]")
	assert.NotContains(t, out.String(), "KC_HELP")
}

func TestNumbersArePositive(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string
	}{
		"as they come":               {nil, ""},
		"given":                      {[]string{"--count", "3", "--wait", "1m30s"}, ""},
		"a zero with a meaning":      {[]string{"--hops", "0"}, ""},
		"a zero without":             {[]string{"--count", "0"}, "--count 0: want more than 0"},
		"no time":                    {[]string{"--wait", "0s"}, "--wait 0s: want more than 0"},
		"negative":                   {[]string{"--wait", "-5s"}, "--wait -5s: want more than 0"},
		"negative, zero would do":    {[]string{"--hops", "-1"}, "--hops -1: want more than 0"},
		"text flags are not touched": {[]string{"--name", "0"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return nil }, SilenceErrors: true, SilenceUsage: true}
			cmd.Flags().Int("count", 1, "")
			cmd.Flags().Int("hops", 1, "")
			cmd.Flags().Duration("wait", time.Second, "")
			cmd.Flags().String("name", "", "")
			cli.PositiveNumbers(cmd, "hops")
			cmd.SetArgs(tt.args)
			err := cmd.Execute()
			if tt.want == "" {
				assert.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
			var exit *cli.ExitError
			require.ErrorAs(t, err, &exit)
			assert.Equal(t, cli.ExitConfig, exit.Code)
		})
	}
}
