//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOperate follows docs/operate.md to the letter, under load, with the names of its examples: a larger volume, from a disk
// to JetStream and back, and what a damaged volume still holds. Nothing that was acknowledged may be lost.
func TestOperate(t *testing.T) {
	s := newSuite(t)
	y := s.system(t, "c4c")
	s.load(t)
	disk := func(size string, env map[string]any) map[string]any {
		return map[string]any{
			"gateway": map[string]any{"replicas": 2, "env": env}, "buffer": map[string]any{"type": "disk", "disk": map[string]any{"size": size}},
		}
	}
	small, large := disk("64Mi", map[string]any{}), disk("8Gi", map[string]any{"KC_BUFFER_MAX_BYTES": "128MiB"})
	stream := map[string]any{
		"gateway": map[string]any{"replicas": 2},
		"buffer":  map[string]any{"type": "jetstream", "jetstream": map[string]any{"url": "nats://nats.kyma-system:4222", "size": "64Mi"}},
	}
	r := s.newRelease(t, y, "c4c", "my-c4c", map[string]string{"application_name": "operated"})
	r.install(t, small)
	d := &disturbed{release: r, plan: "production", values: small, keeps: true, kind: "statefulset"}
	g := d.guide(t)

	d.under(t, "its volumes are enlarged", false, func(t *testing.T) {
		s.expandable(t)
		g.values(t, large)
		out, err := g.shell("helm upgrade my-c4c charts/c4c-connector --namespace c4c --values my-values.yaml --timeout 10m")
		require.Error(t, err)
		require.Contains(t, out, "updates to statefulset spec")
		g.follow(t, g.steps(t, "Upgrade")[1])
		d.ready(t)
		for _, claim := range []string{"0", "1"} {
			assert.Equal(t, "8Gi", s.kubectl(t, "-n", r.namespace, "get", "pvc", "buffer-my-c4c-gateway-"+claim, "-o", "jsonpath={.spec.resources.requests.storage}"))
		}
	})
	toJetStream := g.steps(t, "From a disk to JetStream")
	d.under(t, "from a disk to JetStream", false, func(t *testing.T) {
		g.values(t, stream)
		g.follow(t, toJetStream[0])
		g.follow(t, toJetStream[1])
		g.only(t, "deployment")
	})
	d.under(t, "back to the disk", false, func(t *testing.T) {
		g.values(t, large)
		g.follow(t, toJetStream[2])
		g.only(t, "statefulset")
	})
	d.keeps = false // nobody takes events while volumes are looked through
	d.under(t, "what its volumes hold is salvaged", false, func(t *testing.T) {
		salvage := g.steps(t, "A damaged volume")
		s.kubectl(t, "-n", "kyma-system", "scale", "deployment/eventing-publisher-proxy", "--replicas=0")
		time.Sleep(3 * time.Second) // events wait on the disks
		g.follow(t, salvage[0])
		pod := strings.Replace(g.manifest(t, "A damaged volume"), "ghcr.io/kyma-connectors/event-gateway:0.1.0", s.registry+"/event-gateway:"+tag, 1)
		for _, claim := range []string{"0", "1"} {
			g.write(t, "salvage.yaml", strings.Replace(pod, "gateway-0", "gateway-"+claim, 1))
			out := g.follow(t, salvage[1])
			assert.NotContains(t, out, "recovered 0 deliveries")
			t.Log(out)
		}
		s.kubectl(t, "-n", "kyma-system", "scale", "deployment/eventing-publisher-proxy", "--replicas=1")
		s.rollout(t, "kyma-system/eventing-publisher-proxy")
		g.values(t, disk("8Gi", map[string]any{"KC_BUFFER_DIR": "/var/lib/connector/recovered"}))
		g.follow(t, salvage[2])
	})
	r.uninstall(t)
}

// expandable lets claims of the test cluster grow. Its volumes are larger than the claims say.
func (s *suite) expandable(t *testing.T) {
	t.Helper()
	if os.Getenv("E2E_LEAVE") == "" {
		s.kubectl(t, "patch", "storageclass", "local", "--patch", `{"allowVolumeExpansion": true}`)
	}
}

// guide is a page that somebody follows at a shell, in a directory with the charts and the files that it names.
type guide struct {
	*disturbed
	page, dir string
}

func (d *disturbed) guide(t *testing.T) *guide {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs/operate.md"))
	require.NoError(t, err)
	dir, err := os.MkdirTemp(filepath.Join(root, "bin/e2e"), "guide-") // bin/cluster wants to be in the repository
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	dir, err = filepath.Abs(dir)
	require.NoError(t, err)
	g := &guide{disturbed: d, page: string(page), dir: dir}
	require.NoError(t, os.Mkdir(filepath.Join(g.dir, "charts"), 0o700))
	out, err := exec.Command("tar", "-xzf", d.s.chart(t, d.system.name), "-C", filepath.Join(g.dir, "charts")).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, program := range []string{"kubectl", "helm"} {
		g.write(t, program, "#!/bin/sh\nexec '"+d.s.program+"' "+program+" \"$@\"\n")
	}
	return g
}

var (
	shell    = regexp.MustCompile("(?ms)^( *)```sh\n(.*?)^ *```")
	manifest = regexp.MustCompile("(?ms)^```yaml\n(apiVersion.*?)^```")
)

// section is what stands below a heading.
func (g *guide) section(t *testing.T, heading string) string {
	t.Helper()
	_, after, found := strings.Cut(g.page, "# "+heading+"\n")
	require.True(t, found, heading)
	text, _, _ := strings.Cut(after, "\n#")
	return text
}

// steps are the commands of a section, block by block.
func (g *guide) steps(t *testing.T, heading string) (blocks []string) {
	t.Helper()
	for _, m := range shell.FindAllStringSubmatch(g.section(t, heading), -1) {
		blocks = append(blocks, m[2])
	}
	return blocks
}

// manifest is the object that a section shows.
func (g *guide) manifest(t *testing.T, heading string) string {
	t.Helper()
	m := manifest.FindStringSubmatch(g.section(t, heading))
	require.NotNil(t, m, heading)
	return m[1]
}

func (g *guide) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o700))
}

// values writes my-values.yaml.
func (g *guide) values(t *testing.T, values map[string]any) {
	t.Helper()
	text, err := os.ReadFile(g.valuesFile(t, values))
	require.NoError(t, err)
	g.write(t, "my-values.yaml", string(text))
}

// shell runs commands until one fails.
func (g *guide) shell(commands string) (string, error) {
	cmd := exec.Command("bash", "-e", "-c", commands)
	cmd.Dir, cmd.Env = g.dir, append(os.Environ(), "PATH="+g.dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// follow runs commands that have to succeed.
func (g *guide) follow(t *testing.T, commands string) string {
	t.Helper()
	out, err := g.shell(commands)
	g.explain(t, out, err)
	return out
}

// only checks that all gateway pods are those of one controller, and that there are two.
func (g *guide) only(t *testing.T, kind string) {
	t.Helper()
	g.kind = kind
	g.ready(t)
	owner := map[string]string{"deployment": "ReplicaSet", "statefulset": "StatefulSet"}[kind]
	eventually(t, time.Minute, func() string {
		owners := g.s.kubectl(t, "-n", g.namespace, "get", "pods", "-l", gateways, "-o", "jsonpath={.items[*].metadata.ownerReferences[*].kind}")
		if owners != owner+" "+owner {
			return "pods of the gateway belong to: " + owners
		}
		return ""
	})
}
