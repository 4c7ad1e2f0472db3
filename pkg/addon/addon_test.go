package addon_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
)

const demo = addon.AddonsDir + "/" + addontest.Name

func TestLoadReadsWhatTheBrokerReads(t *testing.T) {
	t.Parallel()
	a, err := addontest.Repository(t).Load(addontest.Name)
	require.NoError(t, err)

	assert.Equal(t, "demo-connector", a.Key)
	assert.Equal(t, "0.1.0", a.Version)
	assert.Equal(t, addontest.Name, a.Name())
	assert.Equal(t, "Demo Connector", a.Meta.DisplayName)
	assert.True(t, a.Meta.ProvisionOnlyOnce)
	assert.Equal(t, "demo-connector", a.ChartName)
	require.Len(t, a.Plans, 1)
	assert.Equal(t, "default", a.Plans[0].Dir)
	assert.EqualValues(t, 1, a.Plans[0].Values["replicas"])
	assert.Contains(t, string(a.Plans[0].CreateSchema), "system_url")
	require.NotNil(t, a.Docs)

	_, linked := a.Chart.Read("charts/common/templates/_all.tpl")
	assert.True(t, linked, "the library chart behind a link in a linked directory is part of the chart")
	_, sample := a.Samples().Read("happened.http")
	assert.True(t, sample, "samples travel with the chart")
	definition, err := a.Definition()
	require.NoError(t, err)
	assert.Equal(t, "demo", definition.Metadata.Name)
	assert.Equal(t, []string{"system_url", "api_key", "application_name", "event_token"}, a.ParameterNames(), "in the order of the file")

	plan, err := a.Plan("default")
	require.NoError(t, err)
	assert.Equal(t, "default", plan.Meta.Name)
	_, err = a.Plan("gold")
	assert.EqualError(t, err, `demo-connector-0.1.0 has no plan "gold"; choose one of default`)
}

func TestLoadLeavesOutWhatIsNoPartOfAnAddon(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	addontest.Write(t, repo.Dir(), demo+"/.DS_Store", "x")
	addontest.Write(t, repo.Dir(), "charts/demo-connector/templates/.swp", "x")
	addontest.Write(t, repo.Dir(), "charts/demo-connector/templates/old.yaml.orig", "x")
	a, err := repo.Load(addontest.Name)
	require.NoError(t, err)
	for _, f := range a.Tree.Files() {
		assert.NotContains(t, f.Path, ".DS_Store")
		assert.NotContains(t, f.Path, ".swp")
		assert.NotContains(t, f.Path, ".orig")
	}
}

func TestLoadNamesEveryProblem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name, content string
		want          string
	}{
		"no version":          {"meta.yaml", "id: a\nname: b\ndescription: c\ndisplayName: d\n", "meta.yaml: version missing"},
		"loose version":       {"meta.yaml", "id: a\nname: b\nversion: v1\ndescription: c\ndisplayName: d\n", "want three numbers"},
		"tags as a list":      {"meta.yaml", "id: a\nname: b\nversion: 1.0.0\ndescription: c\ndisplayName: d\ntags: [a]\n", "cannot unmarshal array"},
		"plan without a name": {"plans/default/meta.yaml", "id: a\n", "plans/default/meta.yaml: name, description, displayName missing"},
		"bindable plan":       {"plans/default/meta.yaml", "id: a\nname: b\ndescription: c\ndisplayName: d\nbindable: true\n", "plans/default/bind.yaml is missing"},
		"values as a list":    {"plans/default/values.yaml", "- a\n", "plans/default/values.yaml"},
		"plan without meta":   {"plans/gold/values.yaml", "a: 1\n", "plans/gold/meta.yaml is missing"},
		"two docs":            {"docs/meta.yaml", "docs: [{}, {}]\n", "docs has 2 entries"},
		"two charts":          {"chart/other/Chart.yaml", "name: other\n", "holds several directories"},
		"large form":          {"plans/default/create-instance-schema.json", `{"title": "` + string(make([]byte, addon.MaxSchema)) + `"}`, "takes less than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := addontest.Repository(t)
			addontest.Write(t, repo.Dir(), demo+"/"+test.name, test.content)
			_, err := repo.Load(addontest.Name)
			require.Error(t, err)
			assert.Contains(t, err.Error(), test.want)
		})
	}
	_, err := addon.Parse("demo", addon.Tree{})
	require.Error(t, err)
	for _, want := range []string{"want <name>-<version>", "meta.yaml is missing", "plans holds no plan", "chart holds no chart directory"} {
		assert.ErrorContains(t, err, want)
	}
}

func TestLoadFollowsLinksOnlyInsideTheRepository(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	addontest.Write(t, outside, "secret", "outside")
	tests := map[string]struct{ target, want string }{
		"absolute":     {filepath.Join(outside, "secret"), "is absolute"},
		"out by ..":    {"../../../../../../../../../../../../etc/hostname", "leaves the repository"},
		"to nowhere":   {"../../nothing", "leads nowhere"},
		"to a parent":  {"..", "leads back to a directory above it"},
		"to itself":    {"loop", "cannot be followed"},
		"to a special": {"../pipe", "neither a file nor a directory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := addontest.Repository(t)
			require.NoError(t, syscall.Mkfifo(filepath.Join(repo.Dir(), demo, "pipe"), 0o600))
			if test.target != "../pipe" {
				require.NoError(t, os.Remove(filepath.Join(repo.Dir(), demo, "pipe")))
			}
			require.NoError(t, os.Symlink(test.target, filepath.Join(repo.Dir(), demo, "docs", "loop")))
			_, err := repo.Load(addontest.Name)
			require.Error(t, err)
			assert.Contains(t, err.Error(), test.want)
			assert.NotContains(t, err.Error(), "outside\n")
		})
	}
}

func TestSplitName(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, key, version string }{
		{"c4c-connector-0.1.0", "c4c-connector", "0.1.0"},
		{"a-1.2.3-rc.1+build", "a", "1.2.3-rc.1+build"},
		{"a-b2-1.0.0", "a-b2", "1.0.0"},
		{"a-1.0", "", ""},
		{"a-v1.0.0", "", ""},
		{"-1.0.0", "", ""},
		{"a", "", ""},
		{"", "", ""},
	}
	for _, test := range tests {
		key, version, err := addon.SplitName(test.name)
		assert.Equal(t, test.key, key, test.name)
		assert.Equal(t, test.version, version, test.name)
		assert.Equal(t, test.key == "", err != nil, test.name)
	}
}

func TestResolveTakesNamesAndPaths(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	a, err := repo.Load(addontest.Name)
	require.NoError(t, err)
	packed, err := a.Pack()
	require.NoError(t, err)
	archive := filepath.Join(t.TempDir(), addontest.Name+addon.ArchiveSuffix)
	require.NoError(t, os.WriteFile(archive, packed, 0o600))

	for _, ref := range []string{"demo-connector", addontest.Name, filepath.Join(repo.Dir(), demo), archive} {
		got, err := addon.Resolve(repo, ref)
		require.NoError(t, err, ref)
		assert.Equal(t, a.Tree, got.Tree, ref)
	}
	_, err = addon.Resolve(repo, "nothing")
	assert.ErrorContains(t, err, "there are: demo-connector-0.1.0")
	_, err = addon.Resolve(nil, "demo-connector")
	assert.ErrorContains(t, err, "--repo")

	require.NoError(t, os.CopyFS(filepath.Join(repo.Dir(), "addons/demo-connector-0.2.0"), os.DirFS(filepath.Join(repo.Dir(), demo, "plans"))))
	_, err = addon.Resolve(repo, "demo-connector")
	assert.ErrorContains(t, err, "choose one of demo-connector-0.1.0, demo-connector-0.2.0")
}

func TestFindRepositoryLooksUpward(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	found, err := addon.FindRepository(filepath.Join(repo.Dir(), "charts", "demo-connector", "files"))
	require.NoError(t, err)
	assert.Equal(t, repo.Dir(), found.Dir())
	_, err = addon.FindRepository(t.TempDir())
	assert.ErrorContains(t, err, "--repo")
	_, err = addon.OpenRepository(t.TempDir())
	assert.ErrorContains(t, err, "holds no directory addons")
}
