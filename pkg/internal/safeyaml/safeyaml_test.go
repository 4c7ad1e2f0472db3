package safeyaml_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/safeyaml"
)

// laughs is a small document that stands for 10^9 texts.
func laughs() string {
	b := strings.Builder{}
	b.WriteString("a: &a [x,x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c <= 'i'; c++ {
		b.WriteString(string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "*" + string(c-1) + "]\n")
	}
	return b.String()
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ document, want string }{
		"nested aliases":      {laughs(), "line 6: more than 4194304 bytes with all aliases written out"},
		"one long text":       {"a: &a " + strings.Repeat("x", 1<<19) + "\nb: [" + strings.Repeat("*a,", 50) + "]", "more than 4194304 bytes"},
		"an alias of itself":  {"a: &a [*a]", "the alias *a leads back to itself"},
		"itself, merged":      {"a: &a\n  <<: *a", "leads back to itself"},
		"through another one": {"a: &a\n  b: &b [c]\n  d: {e: [*a]}", "line 3: the alias *a leads back to itself"},
		"a key twice":         {"a: 1\nb: {c: 1,\n  c: 2}", `line 3: the key "c" occurs twice`},
		"not UTF-8":           {"a: \xff", "is not UTF-8"},
		"UTF-16":              {"\xff\xfea\x00:\x00 \x001\x00", "is not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.ErrorContains(t, safeyaml.Check([]byte(test.document)), test.want)
		})
	}
	for name, document := range map[string]string{
		"nothing":              "",
		"plain":                "a: 1\nb: [1, {a: 1}]",
		"an alias":             "a: &a {b: 1}\nc: {<<: *a, d: 2}\ne: *a",
		"the same key, apart":  "- {a: 1}\n- {a: 1}",
		"no YAML at all":       "a: [",
		"an anchor used again": "a: &a 1\nb: &a 2\nc: *a",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.NoError(t, safeyaml.Check([]byte(document)))
		})
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, safeyaml.Aliases([]byte(laughs())), "written out")
	require.NoError(t, safeyaml.Aliases([]byte("a: &a 1\na: *a")), "keys are somebody else's")
}

// What passes can be converted without growing beyond the limit.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(laughs()))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("a: &a {b: &b [*c]}\nc: &c [*b]"))
	f.Add([]byte("a: &a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nb: [*a,*a,*a,*a,*a]\n? [1]\n: 2\n<<: *a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if safeyaml.Check(data) != nil {
			return
		}
		// JSON writes an odd byte as six, and a number such as 1e99 with all its digits.
		if converted, err := yaml.YAMLToJSON(data); err == nil && len(converted) > 8*max(4<<20, 2*len(data)) {
			t.Fatalf("%d bytes became %d", len(data), len(converted))
		}
	})
}
