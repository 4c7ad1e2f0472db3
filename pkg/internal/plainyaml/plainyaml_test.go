package plainyaml_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/plainyaml"
)

// plain is what is read here.
func plain() []string {
	return []string{
		"a: b", "a: b\nc: d\n", "b: 1\na: 2", "a:\n  b: c\nd: e", "a:\n  b:\n    c:\n      d: 1\n  e: 2\nf: 3", "a:\nb:", "a:\n  b:\nc: 1",
		"a: true\nb: false\nc: 0\nd: 12\ne: 007\nf: 1.5\ng: 1e3\nh: 0x1F\ni: 1.2.3\nj: 100m\nk: 64Mi\nl: 2020-01-01\nm: 999999999999999\no: 1.\nq: 0b11\nqq: 0B11\nqr: 0x1o\nqs: 1f\nqt: 1c2\nqu: 1x2\nqv: 0b1f\nqw: 0O17\nqx: 0X1f\nr: 0o17\nt: 12e03\nu: 1.5e3.2\nv: 1-2",
		"a: some text\nb: a,b [c] {d}\nc: it's \"so\"\nd: x:y\ne: http://a/b#c\nf: a - b\ng: text   ", "apiVersion: apps/v1\nkind: Deployment", "# c\na: b\n  # d\n\nc: d\n# e",
		"a: \"\"\nb: \"x\\n\\\"y\\\\ \\t\"\nc: ''\nd: 'it''s'\n\"e f\": 1\n'g': 2\nh: \"a: b # c\"\ni: 'a\\n'\nj: \"<&>\"\nk: \"ä€\"\nl: aä",
		"a:\n- b\n- c\nd: e", "a:\n  - b\n  - 1\n  - true\n  - \"x\"\nc: d", "a:\n  - b: c\n    d: e\n  - f: g\nh: i", "a:\n- b:\n  - c\n  - d\n- e:\n    f: g\n", "a:\n  -   b: 1\n      c: 2\n", "a:\n- b:\n- c:\n  d: 1",
		"a: {}\nb: []\nc: [x, z, 1]\nd: {e: f, g: [h, {i: j}], k: \"l, m\"}\nm: [ALL]\no: {\"p\": 'q'}\nr: [ a , b ]\ns: { t: u }\nv: [[a], []]\nw: [1.5, true]", "a: [\"b\",\"c\",[],{}]\nd: {\"e\":\"f\",\"g\":{\"h\":1,\"i\":[true,false]},j: k}\nl: [b,c]\nm: [1,2]",
		"a: |\n  x\n  y\nb: c", "a: |-\n  x\n\n  y\n\nb: c", "a: |\n  x\n\n\n", "a: |\n  x", "a: |-\n  x\n    y\n   z\n", "a:\n  b: |\n    x: [\n    # no comment\n  c: d", "a: |\n  x\n    \n  y\n", "a: |\n  x\n \n  y\n", "a: |\n  x\n   ", "a: |\n  x  \n  y: \"z\"\\n\n",
		"a:\n  b: c\n  \n  d: e", "a: >-\n  x\n  y: z\nb: >\n  c # d\n  - e\n\nf: g", "a: >\n  x\n  y", "a: >\n  x\n  y\n\n\n", "a: >-\n  x", "a: [https://b.c/d-e, https://f]", "a.b/c-d_e: f", "_a: b\n/c: d", "a: /b/c\nd: b c/d", "a:   b\nc:\n\n    d: e",
	}
}

// others are left to a reader of all of YAML.
func others() []string {
	return []string{
		"", "a", "- a", "1: 2", "yes: a", "a: yes", "a: Off", "a: y", "a: ~", "a: null", "a: .5", "a: -1", "a: +1", "a: b: c", "a: b #c", "a: b\n  c", "a: &b c", "a: *b", "a: !!str 1", "? a", "a: >\n  b\n\n  c", "a: >\n  b\n   c", "a: >-\n  b \n  c", "a: >+\n  b", "a: >2\n    b", "a: >\nb: c", "a: [https://]", "a: [https://b:1/c]", "a: [https://b?c]", "a: |2\n    b", "a: |+\n  b", "a: |\n\n  b", "a: |\nb: c",
		"a: 1\na: 2", "a:\n  b: 1\n c: 2", "a:\n\tb: 1", "a: \"b\n  c\"", "a: \"\\x41\"", "a: \"\\u0041\"", "a: [b\n]", "a: {b}", "a: {b:c}", "a: [b, ]", "a: [b,]", "a: [,]", "a: [b", "a: {", "a: [", "a: {b", "a: {b: ", "a: 1234567890123456", "a: 9999999999999999999", "a: {b: }", "a: [b: c]", "a: \"b\" c", "a: 'b", "--- a", "a: b\n--- c", "...", "a: @b", "a: `b`", "a: %b", "<<: a", "a:b", "a: b:", " a: b",
		"a: \x01", "a: \u0085", "a: \ufeff", "a: \xff", "a: \"b\"\t", "a: b\r\nc: d", "a: - b", "a:\n  - - b", "a:\n  -\n    b: c", "a:\n- b\n  c", "a: {b: 1, b: 2}", "a:\n  b", "a:\n  b: c\n d: e", "a: []]", "a: [1:2]", "=: a", "a: [a b]", "a: 1:30", "a: ä", `a: "\/"`, "a: 0x1G:",
	}
}

func TestPlainDocumentsAreWhatTheyAreForOthers(t *testing.T) {
	t.Parallel()
	for _, document := range plain() {
		got, ok := plainyaml.Parse(document)
		require.True(t, ok, document)
		equal(t, document, got)
	}
}

// equal fails unless an object is what another reader makes of a document, in every digit.
func equal(t *testing.T, document string, object map[string]any) {
	t.Helper()
	want, err := yaml.YAMLToJSONStrict([]byte(document))
	require.NoError(t, err, document)
	got, err := json.Marshal(object)
	require.NoError(t, err, document)
	require.Equal(t, string(want), string(got), document)
	var asRead map[string]any
	require.NoError(t, json.Unmarshal(want, &asRead), document)
	require.Equal(t, asRead, object, document)
}

func TestWhatIsUnusualIsLeftToOthers(t *testing.T) {
	t.Parallel()
	for _, document := range others() {
		_, ok := plainyaml.Parse(document)
		assert.False(t, ok, document)
	}
}

func FuzzParse(f *testing.F) {
	for _, document := range append(plain(), others()...) {
		f.Add(document)
	}
	files, err := filepath.Glob("../../../charts/*/values.yaml")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, document string) {
		if got, ok := plainyaml.Parse(document); ok {
			equal(t, document, got)
		}
	})
}
