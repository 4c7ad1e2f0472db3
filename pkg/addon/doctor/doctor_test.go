package doctor_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/doctor"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/source"
)

const archive = addontest.Name + addon.ArchiveSuffix

// files is a repository behind HTTP, by path.
type files map[string][]byte

func built(t *testing.T, repo *addon.Repository) files {
	t.Helper()
	addons, err := repo.LoadAll()
	require.NoError(t, err)
	dist, err := addon.Dist(addons)
	require.NoError(t, err)
	out := files{}
	for name, data := range dist.All() {
		out["/"+name] = data
	}
	return out
}

func (f files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, found := f[r.URL.Path]
	if !found {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data)
}

func examine(t *testing.T, addresses ...string) *doctor.Report {
	t.Helper()
	var locations []*source.Location
	for _, a := range addresses {
		l, err := source.Parse(a)
		require.NoError(t, err)
		locations = append(locations, l)
	}
	r, err := doctor.Examine(t.Context(), locations, source.Options{Dir: t.TempDir(), MaxClone: 8 << 20})
	require.NoError(t, err)
	return r
}

func web(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL + "/index.yaml"
}

// git is a bare repository with what lies in a directory.
func git(t *testing.T, dir string) string {
	t.Helper()
	bare := filepath.Join(t.TempDir(), "addons.git")
	run := func(args ...string) {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run("init", "--quiet", "--initial-branch", "main")
	run("add", "--all")
	run("commit", "--quiet", "--message", "all")
	run("clone", "--quiet", "--bare", ".", bare)
	return "git::file://" + bare
}

func TestARepositoryThatBecomesReady(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	atGit := git(t, repo.Dir())
	for name, address := range map[string]string{
		"http":         web(t, built(t, repo)),
		"git":          atGit + "//addons/index.yaml?ref=main",
		"git, shallow": atGit + "//addons/index.yaml?depth=1&ref=main",
		"git, top":     atGit + "//index.yaml",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := examine(t, address)
			assert.Equal(t, doctor.Ready, r.Phase, "%+v", r)
			assert.Equal(t, 1, r.Registered)
			require.Len(t, r.Repositories[0].Addons, 1)
			a := r.Repositories[0].Addons[0]
			assert.Equal(t, addontest.Key, a.Name)
			assert.Equal(t, "is registered", a.Effect)
			assert.Empty(t, a.Notes)
		})
	}
}

// One bad add-on takes the whole resource down, with the add-ons that are right.
func TestOneBadAddonFailsTheWholeResource(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil  func(t *testing.T, repo *addon.Repository, f files)
		reason string
		want   string
	}{
		"an archive is missing": {func(_ *testing.T, _ *addon.Repository, f files) { delete(f, "/"+archive) }, doctor.FetchingError, "404"},
		"an archive is none":    {func(_ *testing.T, _ *addon.Repository, f files) { f["/"+archive] = []byte("no") }, doctor.LoadingError, "not a gzip archive"},
		"an archive without directories": {func(t *testing.T, repo *addon.Repository, f files) {
			f["/"+archive] = withoutDirectories(t, f["/"+archive])
		},
			doctor.LoadingError, "cannot unpack it"},
		"a plan is missing": {func(t *testing.T, repo *addon.Repository, f files) {
			f["/"+archive] = repack(t, repo, func(file *addon.File) bool { return !strings.HasPrefix(file.Path, "plans/") })
		}, doctor.LoadingError, "plans holds no plan"},
		"a form that the broker's type does not take": {func(t *testing.T, repo *addon.Repository, f files) {
			f["/"+archive] = repack(t, repo, func(file *addon.File) bool {
				if strings.HasSuffix(file.Path, addon.CreateSchema) {
					file.Data = bytes.Replace(file.Data, []byte(`"minLength": 1`), []byte(`"type": ["string"]`), 1)
				}
				return true
			})
		}, doctor.LoadingError, "type: Helm Broker wants a text there"},
		"a chart that Helm does not load": {func(t *testing.T, repo *addon.Repository, f files) {
			f["/"+archive] = repack(t, repo, func(file *addon.File) bool { return !strings.HasSuffix(file.Path, "chart/demo-connector/Chart.yaml") })
		}, doctor.LoadingError, "Chart.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := addontest.Repository(t)
			f := built(t, repo)
			good := built(t, another(t))
			test.spoil(t, repo, f)
			r := examine(t, web(t, f), web(t, good))
			assert.Equal(t, doctor.Failed, r.Phase)
			assert.Zero(t, r.Registered, "the one that is right is lost too")
			assert.Equal(t, 2, r.Listed)
			assert.False(t, r.Retried)
			assert.False(t, r.EarlierKept)
			a := r.Repositories[0].Addons[0]
			assert.Equal(t, test.reason, a.Reason, "%+v", a)
			assert.Contains(t, a.Problem, test.want)
			assert.Contains(t, a.Effect, "fails the whole resource")
			assert.Equal(t, doctor.Ready, r.Repositories[1].Addons[0].Status)
		})
	}
}

// another is a repository with an add-on of another id and name.
func another(t *testing.T) *addon.Repository {
	t.Helper()
	repo := addontest.Repository(t)
	dir := repo.Dir()
	for _, c := range []struct{ file, from, to string }{
		{"addons/" + addontest.Name + "/meta.yaml", "id: 2c9d4c3e", "id: 4c9d4c3e"},
		{"addons/" + addontest.Name + "/meta.yaml", "name: demo-connector", "name: other-connector"},
		{"addons/" + addontest.Name + "/plans/default/meta.yaml", "id: 7d0f8c55", "id: 6d0f8c55"},
		{"charts/demo-connector/Chart.yaml", "name: demo-connector", "name: other-connector"},
	} {
		data, err := os.ReadFile(filepath.Join(dir, c.file))
		require.NoError(t, err)
		require.Contains(t, string(data), c.from)
		addontest.Write(t, dir, c.file, strings.Replace(string(data), c.from, c.to, 1))
	}
	require.NoError(t, os.Rename(filepath.Join(dir, "addons", addontest.Name), filepath.Join(dir, "addons/other-connector-0.1.0")))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "addons/other-connector-0.1.0/chart")))
	require.NoError(t, os.Rename(filepath.Join(dir, "charts/demo-connector"), filepath.Join(dir, "charts/other-connector")))
	_, err := repo.Link("other-connector-0.1.0")
	require.NoError(t, err)
	return repo
}

func repack(t *testing.T, repo *addon.Repository, keep func(*addon.File) bool) []byte {
	t.Helper()
	tree, err := repo.Read(addontest.Name)
	require.NoError(t, err)
	var kept []addon.File
	for _, f := range tree.Files() {
		if keep(&f) {
			kept = append(kept, f)
		}
	}
	tree, err = addon.NewTree(kept)
	require.NoError(t, err)
	data, err := addon.Pack(tree, "")
	require.NoError(t, err)
	return data
}

func TestWhatElseCanBecomeOfAResource(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	f := built(t, repo)
	with := func(name string, data []byte) files {
		changed := files{}
		for n, d := range f {
			changed[n] = d
		}
		changed[name] = data
		return changed
	}
	index := string(f["/index.yaml"])

	t.Run("the index is not there: the broker tries again, and what was there stays", func(t *testing.T) {
		t.Parallel()
		r := examine(t, web(t, files{}))
		assert.Equal(t, doctor.Failed, r.Phase)
		assert.Equal(t, doctor.FetchingIndexError, r.Repositories[0].Reason)
		assert.True(t, r.Retried)
		assert.True(t, r.EarlierKept)
	})
	const page = "<!DOCTYPE html><title>Sign in</title>"
	t.Run("the index is a page to sign in", func(t *testing.T) {
		t.Parallel()
		r := examine(t, web(t, with("/index.yaml", []byte(page))))
		assert.Equal(t, doctor.FetchingIndexError, r.Repositories[0].Reason)
		assert.Contains(t, r.Repositories[0].Problem, "a page of HTML")
	})
	t.Run("an archive is a page to sign in", func(t *testing.T) {
		t.Parallel()
		r := examine(t, web(t, with("/"+archive, []byte(page))))
		assert.Equal(t, doctor.LoadingError, r.Repositories[0].Addons[0].Reason)
		assert.Contains(t, r.Repositories[0].Addons[0].Problem, archive+": the server answers with a page of HTML")
	})
	t.Run("the credentials are missing", func(t *testing.T) {
		t.Parallel()
		r := examine(t, web(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })))
		assert.Contains(t, r.Repositories[0].Problem, "name some: {username}:{password}@")
	})
	t.Run("the answer never ends", func(t *testing.T) {
		t.Parallel()
		l, err := source.Parse(web(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("#"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})))
		require.NoError(t, err)
		r, err := doctor.Examine(t.Context(), []*source.Location{l}, source.Options{Dir: t.TempDir(), Timeout: 100 * time.Millisecond})
		require.NoError(t, err)
		assert.Contains(t, r.Repositories[0].Problem, "not complete after 100ms (--timeout)")
	})
	t.Run("the index is a list", func(t *testing.T) {
		t.Parallel()
		r := examine(t, web(t, with("/index.yaml", []byte("entries: []\n"))))
		assert.Equal(t, doctor.FetchingIndexError, r.Repositories[0].Reason)
	})
	t.Run("the index is huge", func(t *testing.T) {
		t.Parallel()
		r := examine(t, web(t, with("/index.yaml", bytes.Repeat([]byte("#"), source.MaxIndex+1))))
		assert.Contains(t, r.Repositories[0].Problem, "is too large")
	})
	t.Run("a version is none: the controller stops", func(t *testing.T) {
		t.Parallel()
		r := examine(t, web(t, with("/index.yaml", []byte(strings.Replace(index, `version: "0.1.0"`, `version: "latest"`, 1)))))
		assert.Equal(t, doctor.Crash, r.Phase)
		assert.Contains(t, r.Summary, "no resource of the cluster")
	})
	t.Run("two add-ons have one id", func(t *testing.T) {
		t.Parallel()
		address := web(t, f)
		r := examine(t, address, address)
		assert.Equal(t, doctor.Failed, r.Phase)
		assert.Equal(t, doctor.ConflictInSpecified, r.Repositories[1].Addons[0].Reason)
		assert.False(t, r.Retried)
	})
	t.Run("the server unpacks archives", func(t *testing.T) {
		t.Parallel()
		r := examine(t, web(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			if strings.HasSuffix(r.URL.Path, ".tgz") {
				f.ServeHTTP(w, r)
				return
			}
			zipped := gzip.NewWriter(w)
			_, _ = zipped.Write([]byte(index))
			_ = zipped.Close()
		})))
		assert.Contains(t, r.Repositories[0].Addons[0].Problem, "Content-Encoding: gzip")
		assert.Equal(t, doctor.Failed, r.Phase)
	})
	t.Run("a list in a form: it is left out, and the resource says Ready", func(t *testing.T) {
		t.Parallel()
		r := examine(t, web(t, with("/"+archive, repack(t, repo, func(file *addon.File) bool {
			if strings.HasSuffix(file.Path, addon.CreateSchema) {
				file.Data = bytes.Replace(file.Data, []byte(`"minLength": 1`), []byte(`"default": ["a"]`), 1)
			}
			return true
		}))))
		assert.Equal(t, doctor.Ready, r.Phase)
		assert.Zero(t, r.Registered)
		assert.Equal(t, doctor.RegisteringError, r.Repositories[0].Addons[0].Reason)
		assert.Contains(t, r.Summary, "missing in the catalog")
	})
	t.Run("a plan that does not render loads, and fails users", func(t *testing.T) {
		t.Parallel()
		r := examine(t, web(t, with("/"+archive, repack(t, repo, func(file *addon.File) bool {
			if strings.HasSuffix(file.Path, "_all.tpl") {
				file.Data = bytes.Replace(file.Data, []byte(`{{- define "common.all" -}}`), []byte(`{{- define "common.all" -}}{{ fail "not today" }}`), 1)
			}
			return true
		}))))
		assert.Equal(t, doctor.Ready, r.Phase)
		require.NotEmpty(t, r.Repositories[0].Addons[0].Notes)
		assert.Contains(t, r.Repositories[0].Addons[0].Notes[0], "every instance would fail: ")
		assert.True(t, r.Notes())
	})
	t.Run("a version of two numbers is taken", func(t *testing.T) {
		t.Parallel()
		changed := with("/index.yaml", []byte(strings.Replace(index, `version: "0.1.0"`, `version: "0.1"`, 1)))
		changed["/demo-connector-0.1.tgz"] = f["/"+archive]
		r := examine(t, web(t, changed))
		assert.Equal(t, doctor.Ready, r.Phase, "%+v", r)
		assert.Contains(t, r.Repositories[0].Addons[0].Notes[0], "the index says demo-connector 0.1")
	})
}

func TestGitRepositoriesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	dir := repo.Dir()
	require.NoError(t, os.Rename(filepath.Join(dir, "addons", addontest.Name, "plans"), filepath.Join(dir, "addons", addontest.Name, "p")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "addons", addontest.Name, "plans"), 0o755))
	require.NoError(t, os.Symlink("../p/default", filepath.Join(dir, "addons", addontest.Name, "plans/default")))
	linked := git(t, dir)
	for name, test := range map[string]struct{ address, want string }{
		"no repository":         {"git::file:///nowhere/a.git//index.yaml", "git: fatal: "},
		"no such branch":        {linked + "//addons/index.yaml?ref=nothing", "ref=nothing"},
		"an option as a branch": {linked + "//addons/index.yaml?ref=--upload-pack=x", "is no branch"},
		"no index":              {linked + "//addons/other.yaml", "addons/other.yaml is not in the repository"},
		"a depth that is none":  {linked + "//addons/index.yaml?depth=all", "is no number of commits"},
		"S3 without keys":       {"s3::https://s3.amazonaws.com/b//index.yaml", "holds no credentials"},
		"S3 without a bucket":   {"s3::https://s3.example.com//index.yaml?aws_access_key_id=i&aws_access_key_secret=s", "names no bucket"},
		"S3 with a + in a key":  {"s3::https://s3.example.com/b//index.yaml?aws_access_key_id=i&aws_access_key_secret=a+b", "write it as %2B"},
		"an option as a commit": {"hg::https://hg.example.com/a//index.yaml?rev=--config=x", "is no branch"},
		"a link to a directory": {linked + "//addons/index.yaml", "which Helm Broker takes for a file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := examine(t, test.address)
			assert.Equal(t, doctor.Failed, r.Phase)
			data, err := json.Marshal(r)
			require.NoError(t, err)
			assert.Contains(t, string(data), test.want)
		})
	}
}

// bucket is something that speaks like S3 and lists two objects at a time.
type bucket map[string][]byte

func (b bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>No.</Message></Error>"))
	}
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch data, found := b[key]; {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=me/") || !strings.Contains(r.Header.Get("Authorization"), "/eu-1/s3/aws4_request,SignedHeaders=host;"):
		refuse(http.StatusForbidden, "AccessDenied")
	case name != "shelf":
		refuse(http.StatusNotFound, "NoSuchBucket")
	case found:
		_, _ = w.Write(data)
	case key != "":
		refuse(http.StatusNotFound, "NoSuchKey")
	default:
		var page struct {
			XMLName     xml.Name `xml:"ListBucketResult"`
			IsTruncated bool
			Contents    []struct {
				Key  string
				Size int
			}
		}
		for _, k := range slices.Sorted(maps.Keys(b)) {
			if strings.HasPrefix(k, r.URL.Query().Get("prefix")) && k > r.URL.Query().Get("marker") {
				if page.IsTruncated = len(page.Contents) == 2; page.IsTruncated {
					break
				}
				page.Contents = append(page.Contents, struct {
					Key  string
					Size int
				}{k, len(b[k])})
			}
		}
		_ = xml.NewEncoder(w).Encode(page)
	}
}

func TestABucketIsReadAsHelmBrokerReadsIt(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	tree, err := repo.Read(addontest.Name)
	require.NoError(t, err)
	index, err := os.ReadFile(filepath.Join(repo.Dir(), "addons/index.yaml"))
	require.NoError(t, err)
	objects := bucket{"all/my addons/index.yaml": index, "all/my addons/": nil, "all/my addons too/index.yaml": []byte("somebody else's")}
	for name, data := range tree.All() {
		objects["all/my addons/"+addontest.Name+"/"+name] = data
	}
	server := httptest.NewServer(objects)
	t.Cleanup(server.Close)
	address := func(name string, keys string) string {
		return "s3::" + server.URL + "/" + name + "/all/my%20addons//index.yaml?region=eu-1&" + keys
	}
	const keys = "aws_access_key_id=me&aws_access_key_secret=secret&aws_access_token=t"
	r := examine(t, address("shelf", keys))
	assert.Equal(t, doctor.Ready, r.Phase, "%+v", r)
	assert.Equal(t, 1, r.Registered)
	for want, wrong := range map[string]string{
		"403 Forbidden: AccessDenied No.":     address("shelf", strings.Replace(keys, "=me", "=you", 1)),
		"404 Not Found: NoSuchBucket No.":     address("other", keys),
		"index.yaml is not in the repository": strings.Replace(address("shelf", keys), "my%20addons", "none", 1),
	} {
		r := examine(t, wrong)
		assert.Equal(t, doctor.Failed, r.Phase)
		assert.Contains(t, r.Repositories[0].Problem, want)
		assert.NotContains(t, r.Repositories[0].Problem, "secret")
	}
}

// A clone is stopped before it fills the disk.
func TestAHugeCloneIsStopped(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	noise := make([]byte, 2<<20)
	state := uint32(1)
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = byte(state >> 24)
	}
	addontest.Write(t, repo.Dir(), "noise", string(noise))
	l, err := source.Parse(git(t, repo.Dir()) + "//addons/index.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	r, err := doctor.Examine(t.Context(), []*source.Location{l}, source.Options{Dir: dir, MaxClone: 1 << 20})
	require.NoError(t, err)
	assert.Contains(t, r.Repositories[0].Problem, "is too large")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "what was fetched is removed")
}
