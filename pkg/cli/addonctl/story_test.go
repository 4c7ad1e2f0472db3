package addonctl

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// TestStories runs the scripts below testdata/stories, each in a directory of its own with a repository in
// repo. The command
//
//	exits CODE addonctl [ARGUMENT…]
//
// runs addonctl in this process, for the repository, and leaves its output in the files out and err.
// Files are named from the script's directory, $WORK.
func TestStories(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/stories",
		Setup: func(env *testscript.Env) error {
			addontest.RepositoryIn(t, filepath.Join(env.WorkDir, "repo"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "replace": replace},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[1] != "addonctl" {
		ts.Fatalf("usage: exits CODE addonctl [ARGUMENT…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	getenv := func(name string) string {
		if name == "KC_REPO" && ts.Getenv(name) == "" {
			return ts.MkAbs("repo")
		}
		return ts.Getenv(name)
	}
	stdin, _ := os.Open(ts.MkAbs("stdin"))
	defer func() { _ = stdin.Close() }()
	var out, conversation bytes.Buffer
	code := Main(context.Background(), args[2:], getenv, cli.Streams{In: stdin, Out: &out, Err: &conversation, IsTerminal: ts.Getenv("TERMINAL") != ""})
	for name, content := range map[string]*bytes.Buffer{"out": &out, "err": &conversation} {
		text := strings.ReplaceAll(content.String(), ts.MkAbs("."), "$WORK")
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d\n%s%s", code, want, &out, &conversation)
	}
}

// replace changes a file: replace FILE OLD NEW.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	data := ts.ReadFile(args[0])
	if !strings.Contains(data, args[1]) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(data, args[1], args[2])), 0o600))
}
