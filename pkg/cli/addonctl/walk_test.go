package addonctl

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// A fenced block of a page, with what stands after the backquotes.
type block struct {
	line       int
	kind, file string
	content    string
}

// blocks are the fenced blocks of a Markdown page.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	var out []block
	open := false
	for i, line := range strings.Split(page, "\n") {
		switch {
		case strings.HasPrefix(line, "```") && !open:
			kind, file, _ := strings.Cut(strings.TrimPrefix(line, "```"), " ")
			out, open = append(out, block{line: i + 1, kind: kind, file: file}), true
		case line == "```":
			open = false
		case open:
			out[len(out)-1].content += line + "\n"
		}
	}
	require.False(t, open, "a block has no end")
	return out
}

// TestTheWalkThroughAddingASystem follows docs/adding-a-system.md in an empty directory:
//
//	```console       runs what stands after "$ "; the lines below it are in the output, in this order; … stands for anything
//	```diff FILE     replaces the lines with - (and the context) by those with +
//	```KIND FILE     writes the file; that of a request has no line break at its end
//
// Blocks without a file, and of sh and text, are for reading.
func TestTheWalkThroughAddingASystem(t *testing.T) {
	page, err := os.ReadFile("../../../docs/adding-a-system.md")
	require.NoError(t, err)
	programs := binaries(t)
	t.Chdir(t.TempDir())
	did := map[string]int{}
	for _, b := range blocks(t, string(page)) {
		switch {
		case b.kind == "console":
			did["commands"] += follow(t, b, programs)
		case b.file == "":
			continue
		case b.kind == "diff":
			patch(t, b)
			did["changes"]++
		default:
			content := b.content
			if b.kind == "http" {
				content = strings.TrimSuffix(content, "\n")
			}
			require.NoError(t, os.MkdirAll(filepath.Dir(b.file), 0o755))
			require.NoError(t, os.WriteFile(b.file, []byte(content), 0o600))
			did["files"]++
		}
	}
	// What is no longer recognised as a step would not be followed.
	assert.GreaterOrEqual(t, did["commands"], 7)
	assert.GreaterOrEqual(t, did["changes"], 8)
	assert.GreaterOrEqual(t, did["files"], 12)
	assert.FileExists(t, "dist/acme-connector-0.1.0.tgz")
}

// follow runs the commands of a block, and says how many they were.
func follow(t *testing.T, b block, programs string) int {
	t.Helper()
	commands := 0
	for _, step := range strings.Split("\n"+b.content, "\n$ ")[1:] {
		commands++
		line, want, _ := strings.Cut(step, "\n")
		words := strings.Fields(line)
		switch words[0] {
		case "rm":
			require.Len(t, words, 2, line)
			require.True(t, filepath.IsLocal(words[1]), line)
			require.NoError(t, os.RemoveAll(words[1]), line)
		case "addonctl":
			getenv := func(name string) string { return map[string]string{"KC_BIN_DIR": programs}[name] }
			var out, conversation bytes.Buffer
			code := Main(t.Context(), words[1:], getenv, cli.Streams{Out: &out, Err: &conversation})
			require.Equal(t, cli.ExitOK, code, "line %d: %s\n%s%s", b.line, line, &out, &conversation)
			assertShown(t, line, want, out.String())
		default:
			t.Fatalf("line %d: %s: the page may run addonctl and rm only", b.line, words[0])
		}
	}
	return commands
}

// assertShown wants the lines that a page shows in the output, in their order.
func assertShown(t *testing.T, command, want, out string) {
	t.Helper()
	rest := strings.Split(out, "\n")
	for line := range strings.Lines(want) {
		pattern := regexp.QuoteMeta(strings.Join(strings.Fields(line), " "))
		if pattern == "" {
			continue
		}
		expected := regexp.MustCompile("^" + strings.NewReplacer(" … ", " (.* )?", "…", ".*").Replace(pattern) + "$")
		found := false
		for i, is := range rest {
			if expected.MatchString(strings.Join(strings.Fields(is), " ")) {
				rest, found = rest[i+1:], true
				break
			}
		}
		require.True(t, found, "%s: the output lacks, here:\n%s\nthe output is:\n%s", command, line, out)
	}
}

// patch makes the change of a block in its file. What it changes has to be there once.
func patch(t *testing.T, b block) {
	t.Helper()
	var before, after strings.Builder
	for line := range strings.Lines(b.content) {
		switch {
		case strings.HasPrefix(line, "-"):
			before.WriteString(line[1:])
		case strings.HasPrefix(line, "+"):
			after.WriteString(line[1:])
		default:
			require.True(t, strings.HasPrefix(line, " "), "line %d: a line of a change begins with -, + or a blank: %q", b.line, line)
			before.WriteString(line[1:])
			after.WriteString(line[1:])
		}
	}
	data, err := os.ReadFile(b.file)
	require.NoError(t, err, "line %d", b.line)
	require.Equal(t, 1, strings.Count(string(data), before.String()), "line %d: %s does not hold, once:\n%s\nit is:\n%s", b.line, b.file, before.String(), data)
	require.NoError(t, os.WriteFile(b.file, []byte(strings.Replace(string(data), before.String(), after.String(), 1)), 0o600))
}
