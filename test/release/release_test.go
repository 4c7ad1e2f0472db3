// Package release holds what builds, tests and publishes outside of this machine (workflows, the Dockerfile, .ci/run)
// against the tree that it names.
package release

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const root = "../.."

// workflow is what the tests look at of a workflow.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Timeout     int `json:"timeout-minutes"`
		Env         map[string]string
		Steps       []step
	}
}

type step struct {
	Uses, Run string
	With, Env map[string]any
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(data)
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]workflow{}
	for _, file := range files {
		var w workflow
		require.NoError(t, yaml.Unmarshal([]byte(read(t, ".github/workflows/"+filepath.Base(file))), &w), file)
		require.NotEmpty(t, w.Jobs, file)
		all[filepath.Base(file)] = w
	}
	return all
}

var target = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)

// targets are the Makefile's.
func targets(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, match := range target.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		out = append(out, match[1])
	}
	return out
}

var made = regexp.MustCompile(`\bmake((?: +(?:[A-Za-z][\w/-]*(?:=(?:"[^"]*"|[^ ;&|)"\n]*))?|--?[a-z-]+))+)`)

// makes are the targets that a script asks make for.
func makes(script string) []string {
	var out []string
	for _, match := range made.FindAllStringSubmatch(script, -1) {
		for _, word := range strings.Fields(match[1]) {
			if !strings.Contains(word, "=") && !strings.HasPrefix(word, "-") {
				out = append(out, word)
			}
		}
	}
	return out
}

var pinned = regexp.MustCompile(`uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n`)

func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	for file := range workflows(t) {
		text := read(t, ".github/workflows/"+file)
		assert.Equal(t, strings.Count(text, "uses: "), len(pinned.FindAllString(text, -1)), "%s: an action is named by its commit, with its version beside it", file)
	}
}

// TestPermissions: a workflow may read; the one job that publishes may do that besides.
func TestPermissions(t *testing.T) {
	t.Parallel()
	more := map[string]map[string]string{"release.yaml/release": {"contents": "write", "packages": "write"}}
	for file, w := range workflows(t) {
		assert.Equal(t, map[string]string{"contents": "read"}, w.Permissions, file)
		for name, job := range w.Jobs {
			assert.Equal(t, more[file+"/"+name], job.Permissions, "%s/%s", file, name)
			assert.Positive(t, job.Timeout, "%s/%s has an end", file, name)
		}
	}
}

// TestScriptsTakeNoTextOfOthers: what an expression gives would be run as part of the script; an environment variable is data.
func TestScriptsTakeNoTextOfOthers(t *testing.T) {
	t.Parallel()
	for file, w := range workflows(t) {
		for name, job := range w.Jobs {
			for _, s := range job.Steps {
				assert.NotContains(t, s.Run, "${{", "%s/%s", file, name)
				if strings.HasPrefix(s.Uses, "actions/checkout@") {
					assert.Equal(t, false, s.With["persist-credentials"], "%s/%s: no token is left in the clone", file, name)
				}
			}
		}
	}
}

// TestScriptsNameWhatExists: targets of the Makefile, files of the tree, and what a target has made before.
func TestScriptsNameWhatExists(t *testing.T) {
	t.Parallel()
	known := targets(t)
	// What the targets leave behind for later steps.
	gives := map[string][]string{
		"images": {"bin/images/*.tar", "bin/images/digests.json"},
		"push":   {"bin/images/*.tar", "bin/images/digests.json"},
		"dist":   {"dist", "dist/charts/*.tgz"},
	}
	word := regexp.MustCompile(`(?:^|[ "=])((?:\.ci|bin|dist|scripts|charts|addons|docs|pkg|cmd|test)(?:/[\w.*/-]+)?)`)
	asked := 0
	for file, w := range workflows(t) {
		for name, job := range w.Jobs {
			var there []string
			for _, s := range job.Steps {
				for _, m := range makes(s.Run) {
					asked++
					assert.Contains(t, known, m, "%s/%s: make %s", file, name, m)
					there = append(there, gives[m]...)
				}
				for line := range strings.Lines(s.Run) {
					if strings.HasPrefix(strings.TrimSpace(line), "make ") || strings.HasPrefix(s.Run, "make ") {
						continue
					}
					if _, archive, ok := strings.Cut(line, "> "); ok {
						there = append(there, strings.Fields(archive)[0])
					}
					for _, match := range word.FindAllStringSubmatch(line, -1) {
						_, err := os.Stat(filepath.Join(root, match[1]))
						assert.True(t, slices.Contains(there, match[1]) || err == nil, "%s/%s: nothing makes %s", file, name, match[1])
					}
				}
			}
		}
	}
	assert.Greater(t, asked, 5)
	for _, m := range makes(regexp.MustCompile(`"[^"]*"|(?m)(^|\s)#.*`).ReplaceAllString(read(t, ".ci/run"), "")) {
		if m != "bin/cluster" {
			assert.Contains(t, known, m, ".ci/run")
		}
	}
}

// TestGoIsTheNewestOfItsMinor: a go-version-file would be read as the very version of go.mod, x.y.0, without the repairs since.
func TestGoIsTheNewestOfItsMinor(t *testing.T) {
	t.Parallel()
	for file, w := range workflows(t) {
		for name, job := range w.Jobs {
			for _, s := range job.Steps {
				for action, input := range map[string]string{"actions/setup-go@": "go-version", "golang/govulncheck-action@": "go-version-input"} {
					if strings.HasPrefix(s.Uses, action) {
						assert.Equal(t, minor(t), s.With[input], "%s/%s: %s", file, name, s.Uses)
						assert.Equal(t, true, s.With["check-latest"], "%s/%s: %s", file, name, s.Uses)
					}
				}
			}
		}
	}
}

// minor is the Go that go.mod asks for, without the last number.
func minor(t *testing.T) string {
	t.Helper()
	return regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
}

// TestWhatTheReleasePublishes runs the scripts of a release as GitHub does, one after the other, where make and the
// programs that publish only write down how they were called.
func TestWhatTheReleasePublishes(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("make", "--no-print-directory", "--silent", "-C", root, "image-tag").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Regexp(t, `^\d+\.\d+\.\d+\n$`, string(out), "all charts have one appVersion, which the tag is compared with")
	tag := strings.TrimSpace(string(out))

	called, err := release(t, "v"+tag)
	require.NoError(t, err)
	assert.Equal(t, strings.ReplaceAll(`make --silent image-tag
make test verify verify-images
docker login ghcr.io --username somebody --password-stdin < the-token
helm registry login ghcr.io --username somebody --password-stdin < the-token
make push REGISTRY=ghcr.io/some-owner
make dist REGISTRY=ghcr.io/some-owner
helm push dist/charts/a.tgz oci://ghcr.io/some-owner/charts
helm push dist/charts/b.tgz oci://ghcr.io/some-owner/charts
gh release create vTAG --verify-tag --generate-notes bin/addons.tar.gz dist/charts/a.tgz dist/charts/b.tgz bin/images/x_amd64.tar bin/images/x_arm64.tar bin/images/digests.json
`, "TAG", tag), called)

	called, err = release(t, "v9.9.9")
	assert.Error(t, err, "a tag that is not the charts' version")
	assert.Equal(t, "make --silent image-tag\n", called, "nothing is published")
}

// release runs the scripts of the release of a tag until one fails, and gives back what they called.
func release(t *testing.T, tag string) (called string, err error) {
	t.Helper()
	dir := t.TempDir()
	log, variables, programs := filepath.Join(dir, "log"), filepath.Join(dir, "variables"), filepath.Join(dir, "programs")
	require.NoError(t, os.Mkdir(programs, 0o700))
	out, err := exec.Command("make", "--no-print-directory", "--silent", "-C", root, "image-tag").Output()
	require.NoError(t, err)
	write := func(name, script string) {
		require.NoError(t, os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/bash\necho \"${0##*/} $*\""+script), 0o700))
	}
	write("make", ` >>`+log+`
case "$*" in
*image-tag) echo `+strings.TrimSpace(string(out))+` ;;
push*) mkdir -p bin/images && touch bin/images/x_a{md,rm}64.tar bin/images/digests.json ;;
dist*) mkdir -p dist/charts && touch dist/charts/{a,b}.tgz dist/index.yaml ;;
esac
`)
	for _, name := range []string{"docker", "helm"} {
		write(name, `"$(case "$*" in *--password-stdin) echo " < $(cat)" ;; esac)" >>`+log+"\n")
	}
	write("gh", " >>"+log+"\nshift 4\nfor file; do case $file in --*) ;; *) test -f \"$file\" || exit 1 ;; esac; done\n")

	context := strings.NewReplacer("${{ github.token }}", "the-token")
	env := []string{"PATH=" + programs + ":" + os.Getenv("PATH"), "GITHUB_ENV=" + variables, "GITHUB_REF_NAME=" + tag, "GITHUB_ACTOR=somebody", "GITHUB_REPOSITORY_OWNER=Some-Owner"}
	job := workflows(t)["release.yaml"].Jobs["release"]
	require.Empty(t, job.Env)
	for _, s := range job.Steps {
		if s.Run == "" {
			continue
		}
		cmd := exec.Command("bash", "-eu", "-c", s.Run) // -u: a variable that nobody sets is a mistake
		cmd.Dir, cmd.Env = dir, slices.Clone(env)
		for name, value := range s.Env {
			cmd.Env = append(cmd.Env, name+"="+context.Replace(value.(string)))
		}
		if set, err := os.ReadFile(variables); err == nil {
			cmd.Env = append(cmd.Env, strings.Fields(string(set))...)
		}
		said, failed := cmd.CombinedOutput()
		if err = failed; err != nil {
			t.Logf("%s\n%s", s.Run, said)
			break
		}
	}
	data, _ := os.ReadFile(log)
	return string(data), err
}

// TestDockerfile: it copies what the build needs, and builds as the Makefile does.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", "")
	var copied []string
	stages := map[string]bool{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "FROM":
			stages[words[len(words)-1]] = true
		case words[0] == "COPY" && !strings.HasPrefix(words[1], "--from="):
			for _, source := range words[1 : len(words)-1] {
				_, err := os.Stat(filepath.Join(root, source))
				require.NoError(t, err)
				copied = append(copied, source)
			}
		case words[0] == "COPY":
			assert.True(t, stages[strings.TrimPrefix(words[1], "--from=")], line)
		}
	}
	makefile := read(t, "Makefile")
	for _, flag := range []string{"CGO_ENABLED=0", "-trimpath", "-buildvcs=false", "-s -w -X", "pkg/internal/cli.version="} {
		assert.Contains(t, text, flag)
		assert.Contains(t, makefile, flag)
	}
	assert.Contains(t, text, "golang:"+minor(t)+" ")
	assert.NotRegexp(t, `ARG TARGET\w+=`, text, "a default wins over --platform: every image would hold a program for one architecture")

	for _, program := range []string{"registration-job", "event-gateway"} {
		require.Contains(t, text, "./cmd/"+program)
		require.True(t, stages[program])
		assert.Contains(t, text, `ENTRYPOINT ["/`+program+`"]`)
		assert.Contains(t, text, "FROM program AS "+program+"\n")
		assert.Contains(t, text, "org.opencontainers.image.title="+program+"\n")
	}
	images := read(t, "scripts/images/image.go")
	for _, setting := range []string{"\nUSER 65532:65532\n", "\nENV PATH=/\n", "\nWORKDIR /\n"} {
		assert.Contains(t, text, setting)
		assert.Contains(t, images, `"`+setting[strings.LastIndexAny(setting, " ")+1:len(setting)-1]+`"`)
	}
	labels := regexp.MustCompile(`org\.opencontainers\.image\.\w+`)
	unique := func(names []string) []string { slices.Sort(names); return slices.Compact(names) }
	assert.Equal(t, unique(labels.FindAllString(images, -1)), unique(labels.FindAllString(text, -1)))
	// Every file of ours that goes into the programs is copied.
	list := exec.Command("go", "list", "-deps", "-json=Dir,Module,EmbedFiles", "./cmd/registration-job", "./cmd/event-gateway")
	list.Dir = root
	out, err := list.Output()
	require.NoError(t, err)
	here, err := filepath.Abs(root)
	require.NoError(t, err)
	ours := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			Dir    string
			Module *struct{ Main bool }
		}
		require.NoError(t, d.Decode(&p))
		if p.Module == nil || !p.Module.Main {
			continue
		}
		dir, err := filepath.Rel(here, p.Dir)
		require.NoError(t, err)
		ours++
		top, _, _ := strings.Cut(filepath.ToSlash(dir), "/")
		assert.Contains(t, copied, top, dir)
	}
	assert.Positive(t, ours)
}
