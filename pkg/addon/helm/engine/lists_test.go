package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// What fromYamlArray reads without a reader of all of YAML is what that one reads.
func FuzzLists(f *testing.F) {
	for _, source := range []string{
		"", "- a\n- 1\n- true\n", "- name: a\n  value: \"1\"\n- {b: c}\n", "  - a\n  - [1, 2.5]\n", "- a\nlist: b", "list: [a]", "[a, b]", "[]", "- - a\n  - b", "-", "# none\n- a", "- |\n  text\n  more\n",
		"a", "  a\n- b", "a: b", "---\n- a", "- a\n...\n", "- null\n- ~\n", "- *a", "- 1e3\n- 0x10\n- 1_000",
	} {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		want := []any{}
		if err := yaml.Unmarshal([]byte(source), &want); err != nil {
			want = []any{err.Error()}
		}
		require.Equal(t, want, (&memory{}).listOf(source))
	})
}
