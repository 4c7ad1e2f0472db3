package depcheck_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// TestNoSystemInTheCode: a system is data. Apart from simulators and tests, no Go file names one: not in an
// identifier, not in a literal, not in its own name.
func TestNoSystemInTheCode(t *testing.T) {
	t.Parallel()
	const root = "../../.."
	words := systemWords(t, root)
	files := 0
	for _, dir := range []string{"cmd", "pkg"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(root, path)
			switch {
			case err != nil:
				return err
			case entry.IsDir() && (entry.Name() == "testdata" || rel == filepath.Join("pkg", "simulator")):
				return filepath.SkipDir
			case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			files++
			source, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Empty(t, namedIn(t, rel, source, words))
			return nil
		}))
	}
	assert.Greater(t, files, 100, "the search looks at the code")
}

// TestTheSearchFindsSystems: it would notice.
func TestTheSearchFindsSystems(t *testing.T) {
	t.Parallel()
	words := systemWords(t, "../../..")
	for _, source := range []string{
		"package litmos", "var newQualtricsClient int", "type C4C struct{}", "func f() { x := struct{ openConnectors int }{}; _ = x }",
		`const path = "/cdp/events"`, "const text = `for SAP Marketing Cloud`", `var kind = "GITHUB"`, `const h = "X-Hub-Signature-256"`, `const host = "cdp.eu5.gigya.com"`,
		`var is = name == "\x63\x34\x63"`, "func (t *T) ForGitHub() {}", "const sap_c4c = 1", `import litmos "fmt"`, `const s = "SAP Cloud for Customer"`,
	} {
		if !strings.HasPrefix(source, "package") {
			source = "package x\n" + source
		}
		assert.NotEmpty(t, namedIn(t, "x.go", []byte(source), words), source)
	}
	assert.NotEmpty(t, namedIn(t, "pkg/qualtrics/x.go", []byte("package x"), words))
	assert.Empty(t, namedIn(t, "x.go", []byte(`package x

import "github.com/kyma-connectors/kyma-connectors/pkg/event"

// Comments may explain why, with GitHub as an example.
var githubActions = "https://docs.github.com/actions" + "GITHUB_ACTIONS" + "GitHub Actions"

const asGitHubActions = "github"

const market = "a market in c4"
`), words))
}

// systemWords are the names of all systems that there are connectors for, in small letters and digits, and what only
// they have.
func systemWords(t *testing.T, root string) []string {
	t.Helper()
	definitions, err := filepath.Glob(filepath.Join(root, "charts", "*-connector", "files", "connector.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, definitions)
	words := []string{"gigya", "cloudelements", "hanaondemand", "s4hana", "xhubsignature", "xgithub", "elementswebhook", "eventnotificationcallback"}
	for _, file := range definitions {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var d struct {
			Metadata struct{ Name, DisplayName, Product string }
		}
		require.NoError(t, yaml.Unmarshal(data, &d))
		require.NotEmpty(t, d.Metadata.Name)
		for _, name := range []string{d.Metadata.Name, d.Metadata.DisplayName, d.Metadata.Product} {
			words = append(words, strings.TrimPrefix(plain(name), "sap"))
		}
	}
	return words
}

var noLetter = regexp.MustCompile(`[^a-z0-9]+`)

func plain(text string) string { return noLetter.ReplaceAllString(strings.ToLower(text), "") }

// actions is what belongs to GitHub Actions, whose format of messages addonctl writes, and where code is.
var actions = regexp.MustCompile(`(?i)github[ _]?(actions|output|step_summary)|(docs\.|raw\.)?github(usercontent)?\.com`)

func literal(e ast.Expr) *ast.BasicLit {
	l, _ := e.(*ast.BasicLit)
	return l
}

// namedIn lists the identifiers and literals of a Go file that name a system, and its path where that does.
func namedIn(t *testing.T, path string, source []byte, words []string) []string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	var found []string
	look := func(where, text string) {
		rest := plain(actions.ReplaceAllString(text, ""))
		for _, word := range words {
			if strings.Contains(rest, word) {
				found = append(found, where+": "+text+" ("+word+")")
				return
			}
		}
	}
	look(path, path)
	allowed := map[*ast.BasicLit]bool{} // and other literals that may name one
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.ImportSpec:
			allowed[n.Path] = true
		case *ast.ValueSpec:
			for i, name := range n.Names { // the name of the format itself
				if actions.MatchString(name.Name) && i < len(n.Values) {
					allowed[literal(n.Values[i])] = true
				}
			}
		case *ast.Ident:
			look(set.Position(n.Pos()).String(), n.Name)
		case *ast.BasicLit:
			text := n.Value
			if unquoted, err := strconv.Unquote(text); n.Kind == token.STRING && err == nil {
				text = unquoted
			}
			if !allowed[n] {
				look(set.Position(n.Pos()).String(), text)
			}
		}
		return true
	})
	return found
}
