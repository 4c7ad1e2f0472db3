package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// component is one Go module below components/ and the programs that are built from it.
type component struct {
	name     string
	module   string            // the module whose version counts
	programs map[string]string // file -> package
	version  func(version string) string
}

func components() []component {
	kubernetes := component{name: "kubernetes", module: "k8s.io/kubernetes", programs: map[string]string{}, version: kubernetesVersion}
	for _, p := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"} {
		kubernetes.programs[p] = "k8s.io/kubernetes/cmd/" + p
	}
	none := func(string) string { return "" }
	return []component{
		kubernetes,
		{name: "etcd", module: "go.etcd.io/etcd/server/v3", programs: map[string]string{"etcd": "go.etcd.io/etcd/server/v3"}, version: none},
		{name: "coredns", module: "github.com/coredns/coredns", programs: map[string]string{"coredns": "github.com/coredns/coredns"}, version: none},
	}
}

// kubernetesVersion sets what the API server says of itself; without it Helm refuses every chart that asks for a version.
func kubernetesVersion(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	var flags []string
	for _, p := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags, fmt.Sprintf("-X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", p, version, parts[0], parts[1]))
	}
	return " " + strings.Join(flags, " ")
}

// tools are what people and tests use; a node needs none of them.
func tools() []component {
	return []component{{
		name: "helm", module: "helm.sh/helm/v3", programs: map[string]string{"helm": "helm.sh/helm/v3/cmd/helm"}, version: func(version string) string {
			return " -X helm.sh/helm/v3/internal/version.version=" + version
		},
	}}
}

// tool runs a program with the kubeconfig of this cluster, or else of the other one, instead of this process.
func (c *cluster) tool(ctx context.Context, name, other string, args []string) error {
	sources, err := findSources()
	if err != nil {
		return err
	}
	kubeconfig, err := c.config(other)
	if err != nil {
		return err
	}
	for _, m := range append(components(), tools()...) {
		if _, ok := m.programs[name]; !ok {
			continue
		}
		dir, err := c.build(ctx, filepath.Join(sources, "components", m.name), m)
		if err != nil {
			return err
		}
		return replaceProcess(filepath.Join(dir, name), append([]string{name}, args...), append(os.Environ(), "KUBECONFIG="+kubeconfig, "KUBECACHEDIR="+filepath.Join(c.layout.cache, "kubectl")))
	}
	return fmt.Errorf("no program %s", name)
}

// programs makes sure that everything that a node runs is in the cache, and returns name -> file.
func (c *cluster) programs(ctx context.Context, sources string) (map[string]string, error) {
	found := map[string]string{}
	for _, m := range components() {
		dir, err := c.build(ctx, filepath.Join(sources, "components", m.name), m)
		if err != nil {
			return nil, err
		}
		for name := range m.programs {
			found[name] = filepath.Join(dir, name)
		}
	}
	return found, nil
}

// build builds a component into a directory that is named for its version and dependencies, all or nothing.
func (c *cluster) build(ctx context.Context, module string, m component) (string, error) {
	version, key, err := moduleVersion(module, m.module)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(c.layout.cache, m.name+"-"+version+"-"+key)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	c.say("building %s %s (kept in %s)", m.name, version, dir)
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return "", err
	}
	same := true // go build names several programs by itself
	packages := []string{}
	for name, pkg := range m.programs {
		same = same && path.Base(pkg) == name
		packages = append(packages, pkg)
	}
	target := partial + "/"
	if !same {
		for name := range m.programs {
			target = filepath.Join(partial, name)
		}
	}
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w" + m.version(version), "-o", target}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", m.name, err, bytes.TrimSpace(out))
	}
	return dir, os.Rename(partial, dir)
}

// moduleVersion reads the version that a go.mod asks for, and a short digest of everything that decides on the result.
func moduleVersion(dir, module string) (version, key string, err error) {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", "", err
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", "", err
	}
	match := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(mod)
	if match == nil {
		return "", "", fmt.Errorf("%s/go.mod does not require %s", dir, module)
	}
	digest := sha256.Sum256(append(mod, sum...))
	return string(match[1]), hex.EncodeToString(digest[:4]), nil
}

// packages are Debian's: what they hold is unpacked into the cache unless the machine has it.
func packages() []string {
	return []string{"containerd", "runc", "containernetworking-plugins", "nftables", "iproute2", "util-linux"}
}

// unpacked makes sure that Debian's programs are in the cache and returns the root that they are unpacked in. The machine's
// own packages stay as they are.
func (c *cluster) unpacked(ctx context.Context) (string, error) {
	root := filepath.Join(c.layout.cache, "debian-"+debianRelease())
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	c.say("fetching Debian packages: %s (kept in %s)", strings.Join(packages(), ", "), root)
	work := root + ".partial"
	if err := os.RemoveAll(work); err != nil {
		return "", err
	}
	for _, dir := range []string{"lists/partial", "cache/archives/partial", "root"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			return "", err
		}
	}
	apt := func(args ...string) error {
		options := []string{"-qq", "-o", "Dir::State::Lists=" + filepath.Join(work, "lists"), "-o", "Dir::Cache=" + filepath.Join(work, "cache"),
			"-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1"}
		cmd := exec.CommandContext(ctx, "apt-get", append(options, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, bytes.TrimSpace(out))
		}
		return nil
	}
	if err := apt("update"); err != nil {
		return "", err
	}
	if err := apt(append([]string{"install", "--yes", "--download-only", "--no-install-recommends"}, packages()...)...); err != nil {
		return "", err
	}
	archives, err := filepath.Glob(filepath.Join(work, "cache/archives/*.deb"))
	if err != nil {
		return "", err
	}
	for _, deb := range archives {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", deb, filepath.Join(work, "root")).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", filepath.Base(deb), err, bytes.TrimSpace(out))
		}
	}
	if err := os.Rename(filepath.Join(work, "root"), root); err != nil {
		return "", err
	}
	return root, os.RemoveAll(work)
}

// debianRelease names the release and the machine's architecture.
func debianRelease() string {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "unknown"
	}
	values := map[string]string{}
	for _, line := range strings.Split(string(data), "\n") {
		if k, v, ok := strings.Cut(line, "="); ok {
			values[k] = strings.Trim(v, `"`)
		}
	}
	return values["ID"] + "-" + values["VERSION_ID"]
}
