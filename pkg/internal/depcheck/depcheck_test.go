package depcheck

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryImportIsAllowedByTheTable(t *testing.T) {
	t.Parallel()
	imports, err := Imports("../../..", "pkg", "cmd", "schemas")
	require.NoError(t, err)
	require.Contains(t, imports, "pkg/connector", "the tree was not found")
	for _, violation := range Check(Rules(), imports) {
		t.Error(violation)
	}
}

func TestCheckFindsWhatTheTableForbids(t *testing.T) {
	t.Parallel()
	rules := []Rule{
		{Package: "pkg/core", Ours: []string{"pkg/leaf"}, Never: []string{"example.org/heavy"}},
		{Package: "pkg/leaf", Others: []string{"example.org/light", "example.org/heavy"}},
		{Package: "pkg/edge/...", Ours: []string{"pkg/..."}, Except: []string{"pkg/core"}, Others: []string{"*"}},
	}
	for name, test := range map[string]struct {
		imports map[string][]string
		want    []string
	}{
		"allowed":                  {map[string][]string{"pkg/core": {Module + "/pkg/leaf", "fmt"}, "pkg/leaf": {"example.org/light/sub"}}, nil},
		"package of ours":          {map[string][]string{"pkg/leaf": {Module + "/pkg/core"}}, []string{"pkg/leaf imports " + Module + "/pkg/core: not among the packages it may import"}},
		"library":                  {map[string][]string{"pkg/core": {"example.org/light"}}, []string{"pkg/core imports example.org/light: not among the libraries it may import"}},
		"library with a like name": {map[string][]string{"pkg/leaf": {"example.org/lightning"}}, []string{"pkg/leaf imports example.org/lightning: not among the libraries it may import"}},
		"exception":                {map[string][]string{"pkg/edge/a": {Module + "/pkg/core"}}, []string{"pkg/edge/a imports " + Module + "/pkg/core: not among the packages it may import"}},
		"reached through another": {
			map[string][]string{"pkg/core": {Module + "/pkg/leaf"}, "pkg/leaf": {"example.org/heavy/x"}},
			[]string{"pkg/core imports example.org/heavy: must not be reached, but is by pkg/core -> pkg/leaf -> example.org/heavy/x"},
		},
		"no rule": {map[string][]string{"pkg/new": {"fmt"}}, []string{"pkg/new imports : the package has no rule: add one to the table"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, violation := range Check(rules, test.imports) {
				got = append(got, violation.String())
			}
			assert.Equal(t, test.want, got)
		})
	}
}
