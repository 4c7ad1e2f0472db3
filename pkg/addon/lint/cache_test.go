package lint_test

import (
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
)

// remembering is a cache that counts.
type remembering struct {
	mu    sync.Mutex
	known map[string][]byte
	hits  int
}

func (r *remembering) Get(key string) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	data, found := r.known[key]
	if found {
		r.hits++
	}
	return data, found
}

func (r *remembering) Put(key string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[string][]byte{}
	}
	r.known[key] = data
}

func TestFindingsAreRemembered(t *testing.T) {
	t.Parallel()
	repo, r := addontest.Repository(t), &remembering{}
	addontest.Write(t, repo.Dir(), "addons/"+addontest.Name+"/plans/default/bind-instance-schema.json", "{}")
	want := run(t, repo)
	require.NotEmpty(t, want.Findings)
	assert.Equal(t, want, runWith(t, repo, r))
	assert.Zero(t, r.hits)
	assert.Equal(t, want, runWith(t, repo, r), "what was found is found again")
	assert.Equal(t, 1, r.hits)

	// Another checkout of the same content.
	other := addontest.Repository(t)
	addontest.Write(t, other.Dir(), "addons/"+addontest.Name+"/plans/default/bind-instance-schema.json", "{}")
	assert.Equal(t, want, runWith(t, other, r))
	assert.Equal(t, 2, r.hits)

	for key := range maps.Keys(r.known) {
		r.known[key] = []byte("{")
	}
	assert.Equal(t, want, runWith(t, repo, r), "what cannot be read is ignored")
}

// Each of these changes what rules read, so that nothing may be recalled.
func TestEveryChangeIsSeen(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(dir string) error{
		"the add-on": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "addons", addontest.Name, "docs", "more.md"), []byte("more"), 0o600)
		},
		"the chart": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "charts", addontest.Key, "templates", "more.yaml"), []byte("# more"), 0o600)
		},
		"the library chart": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "charts", "common", "templates", "_more.tpl"), []byte("more"), 0o600)
		},
		"a link": func(dir string) error {
			return os.Remove(filepath.Join(dir, "addons", addontest.Name, "chart", addontest.Key, "values.yaml"))
		},
		"a page about a system": func(dir string) error {
			at := filepath.Join(dir, "docs", "systems")
			if err := os.MkdirAll(at, 0o700); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(at, "any.md"), []byte("more"), 0o600)
		},
		"an executable": func(dir string) error {
			return os.Chmod(filepath.Join(dir, "charts", addontest.Key, "values.yaml"), 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo, r := addontest.Repository(t), &remembering{}
			runWith(t, repo, r)
			require.NoError(t, change(repo.Dir()))
			runWith(t, repo, r)
			assert.Zero(t, r.hits)
			assert.Len(t, r.known, 2)
		})
	}
}
