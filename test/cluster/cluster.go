package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	registry     = "kyma-connectors.local"
	pauseImage   = registry + "/pause:1"
	corednsImage = registry + "/coredns:1"
	cable        = "kymaconn0" // the machine's end
	volumesDir   = "var/lib/volumes"
	volumes      = 40 // static persistent volumes that are free after up
)

type cluster struct {
	layout        layout
	out, progress io.Writer
}

func (c *cluster) say(format string, args ...any) {
	fmt.Fprintf(c.progress, "cluster: "+format+"\n", args...)
}

// upOrOther starts the cluster, or falls back on the cluster of KUBECONFIG.
func (c *cluster) upOrOther(ctx context.Context, other string) error {
	if lacks := missing(); len(lacks) > 0 {
		return c.otherThan(lacks, other)
	}
	return c.up(ctx)
}

var errNoCluster = errors.New("no cluster: run this as root on Debian, or set KUBECONFIG to the cluster to use")

// otherThan says what the machine lacks and which cluster is used instead.
func (c *cluster) otherThan(lacks []string, other string) error {
	c.say("this machine cannot run a node:")
	for _, l := range lacks {
		c.say("  - %s", l)
	}
	if other == "" {
		return errNoCluster
	}
	c.say("using the cluster of KUBECONFIG=%s instead", other)
	return nil
}

func (c *cluster) up(ctx context.Context) error {
	unlock, err := c.layout.lock()
	if err != nil {
		return err
	}
	defer unlock()
	p, alive, err := c.layout.running()
	if err != nil {
		return err
	}
	if alive {
		if err := c.ready(ctx); err == nil || p.alive() {
			return err
		}
		c.say("the node has just ended; starting another one")
	}
	if err := c.remove(ctx); err != nil { // what a crash left
		return err
	}
	sources, err := findSources()
	if err != nil {
		return err
	}
	root, err := c.unpacked(ctx)
	if err != nil {
		return err
	}
	programs, err := c.programs(ctx, sources)
	if err != nil {
		return err
	}
	images, err := c.ownImages(ctx, sources, programs["coredns"])
	if err != nil {
		return err
	}
	host, address, err := freeAddresses()
	if err != nil {
		return err
	}
	s := settings{Programs: programs, Root: root, CNI: pluginDirectory(root), Host: host, Address: address, Overlay: canOverlay(c.layout.cache), Cgroup: cgroupName}
	if err := c.startNode(ctx, s); err != nil {
		return errors.Join(err, c.firstCause(), c.remove(context.WithoutCancel(ctx)))
	}
	if err := c.loadFiles(ctx, images); err != nil {
		return err
	}
	if err := c.kubectl(ctx, nil, io.Discard, "apply", "-f", c.layout.path("etc", "cluster.yaml")); err != nil {
		return err
	}
	return c.ready(ctx)
}

// startNode starts the node and waits for its API server.
func (c *cluster) startNode(ctx context.Context, s settings) error {
	if err := os.MkdirAll(c.layout.node, 0o755); err != nil {
		return err
	}
	if err := c.layout.writeSettings(s); err != nil {
		return err
	}
	if err := makeCgroups(s.Cgroup); err != nil {
		return err
	}
	c.say("starting the node (logs in %s)", c.layout.path("log"))
	pid, err := c.layout.start()
	if err != nil {
		return fmt.Errorf("starting the node: %w", err)
	}
	if err := c.layout.writeProcess(pid); err != nil {
		return errors.Join(err, kill(process{pid: pid}))
	}
	if err := plug(ctx, s, pid); err != nil {
		return err
	}
	return c.layout.waitForAPI(ctx, "https://"+s.Address+":6443", 3*time.Minute)
}

// ready waits until pods can run and find each other, and sees that there are free volumes.
func (c *cluster) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	err := c.poll(ctx, "wait", "--for=condition=Ready", "node/"+nodeName, "--timeout=5s")
	if err == nil {
		err = c.poll(ctx, "-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=5s")
	}
	if err == nil {
		err = c.freeVolumes(ctx)
	}
	if err != nil {
		return errors.Join(err, c.firstCause())
	}
	if enforced, err := c.layout.policies(); err != nil {
		return err
	} else if enforced != policiesHold {
		c.say("**************************************************************************")
		c.say("NetworkPolicies are accepted and %s", enforced)
		c.say("**************************************************************************")
	}
	c.say("ready: export KUBECONFIG=%s", c.layout.path("kubeconfig"))
	return nil
}

// poll repeats a kubectl command until it succeeds, the context ends or the node dies.
func (c *cluster) poll(ctx context.Context, args ...string) error {
	for {
		err := c.kubectl(ctx, nil, io.Discard, args...)
		if err == nil {
			return nil
		}
		if _, alive, _ := c.layout.running(); !alive {
			return errors.New("the node has ended")
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// freeVolumes replaces volumes that were used, since nothing on a node empties them.
func (c *cluster) freeVolumes(ctx context.Context) error {
	var out bytes.Buffer
	if err := c.kubectl(ctx, nil, &out, "get", "persistentvolumes", "-l", "kyma-connectors-cluster=static", "-o", "json"); err != nil {
		return err
	}
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct{ Phase string }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		return err
	}
	free, next := 0, 1
	for _, v := range list.Items {
		var number int
		if _, err := fmt.Sscanf(v.Metadata.Name, "volume-%d", &number); err == nil {
			next = max(next, number+1)
		}
		switch v.Status.Phase {
		case "Released", "Failed":
			if err := c.kubectl(ctx, nil, io.Discard, "delete", "persistentvolume", v.Metadata.Name); err != nil {
				return err
			}
			if err := os.RemoveAll(c.layout.path(volumesDir, v.Metadata.Name)); err != nil {
				return err
			}
		case "Bound":
		default:
			free++
		}
	}
	var more strings.Builder
	for ; free < volumes; free, next = free+1, next+1 {
		name := fmt.Sprintf("volume-%d", next)
		if err := os.MkdirAll(c.layout.path(volumesDir, name), 0o755); err != nil {
			return err
		}
		more.WriteString(volume(name))
	}
	if more.Len() == 0 {
		return nil
	}
	return c.kubectl(ctx, strings.NewReader(more.String()), io.Discard, "apply", "-f", "-")
}

func (c *cluster) down(ctx context.Context) error {
	unlock, err := c.layout.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := os.Stat(c.layout.node); errors.Is(err, os.ErrNotExist) {
		c.say("does not run")
		return nil
	}
	if err := c.remove(ctx); err != nil {
		return err
	}
	c.say("stopped and removed; the programs stay in %s", c.layout.cache)
	return nil
}

// remove ends the node, and with its first process every other one, its mounts and its network, and removes what is left:
// control groups and files.
func (c *cluster) remove(ctx context.Context) error {
	p, alive, err := c.layout.running()
	if err != nil {
		return err
	}
	if alive {
		if err := kill(p); err != nil {
			return fmt.Errorf("stopping the node (process %d): %w", p.pid, err)
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for p.alive() {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d of the node does not end", p.pid)
		}
		time.Sleep(20 * time.Millisecond)
	}
	// An ended process stays in the table until its parent, the machine's first process, has looked at it.
	for range 100 {
		if p.pid == 0 || !exists(fmt.Sprintf("/proc/%d", p.pid)) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := removeCgroups(cgroupName, deadline); err != nil {
		return err
	}
	s, err := c.layout.readSettings()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := unplug(ctx, s); err != nil {
		return err
	}
	return os.RemoveAll(c.layout.node)
}

func (c *cluster) kubeconfig(other string) error {
	file, err := c.config(other)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, file)
	return err
}

// config is the kubeconfig of this cluster if it runs, else of the other one.
func (c *cluster) config(other string) (string, error) {
	_, alive, err := c.layout.running()
	switch {
	case err != nil:
		return "", err
	case alive:
		return c.layout.path("kubeconfig"), nil
	case other != "":
		return other, nil
	}
	return "", errors.New("no cluster: run make cluster-up, or set KUBECONFIG")
}

// load brings images into the cluster that cluster up started; in another one they come from a registry.
func (c *cluster) load(ctx context.Context, files []string) error {
	if len(files) == 0 {
		return errors.New("name the image archives to load")
	}
	return c.loadFiles(ctx, files)
}

func (c *cluster) loadFiles(ctx context.Context, files []string) error {
	p, alive, err := c.layout.running()
	if err != nil {
		return err
	}
	if !alive {
		return errors.New("the cluster does not run: run make cluster-up")
	}
	s, err := c.layout.readSettings()
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := c.loadFile(ctx, s, p, file); err != nil {
			return fmt.Errorf("loading %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

func (c *cluster) loadFile(ctx context.Context, s settings, p process, file string) error {
	archive, err := os.Open(file)
	if err != nil {
		return err
	}
	defer archive.Close()
	ctr, err := lookPath(s, "ctr")
	if err != nil {
		return err
	}
	cmd := c.layout.enter(ctx, s, p, archive, ctr, "--namespace", "k8s.io", "images", "import", "--digests", "-")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

func (c *cluster) kubectl(ctx context.Context, stdin io.Reader, stdout io.Writer, args ...string) error {
	s, err := c.layout.readSettings()
	if err != nil {
		return errors.New("the cluster does not run: run make cluster-up")
	}
	cmd := exec.CommandContext(ctx, s.Programs["kubectl"], append([]string{"--kubeconfig", c.layout.path("kubeconfig")}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECACHEDIR="+filepath.Join(c.layout.cache, "kubectl"))
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}

// ownImages packs the images that the node itself needs.
func (c *cluster) ownImages(ctx context.Context, sources, coredns string) ([]string, error) {
	work := filepath.Join(c.layout.cache, "images")
	arch := goArch()
	bin := filepath.Join(work, "linux_"+arch)
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	pause := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(bin, "pause"), "./pause")
	pause.Dir = sources
	pause.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := pause.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building pause: %w\n%s", err, bytes.TrimSpace(out))
	}
	if err := replaceLink(coredns, filepath.Join(bin, "coredns")); err != nil {
		return nil, err
	}
	var files []string
	for name, user := range map[string]string{"pause": "65535:65535", "coredns": "0:0"} { // port 53 takes root, with one capability
		cmd := exec.CommandContext(ctx, "go", "run", ".", "build", "-binaries", work, "-out", work, "-platforms", arch,
			"-registry", registry, "-version", "1", "-user", user, name)
		cmd.Dir = filepath.Join(sources, "../../scripts/images")
		cmd.Env = append(os.Environ(), "GOFLAGS=-trimpath", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("image of %s: %w\n%s", name, err, bytes.TrimSpace(out))
		}
		files = append(files, filepath.Join(work, fmt.Sprintf("%s_1_linux_%s.tar", name, arch)))
	}
	return files, nil
}

func replaceLink(target, link string) error {
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(target, link)
}

// copyLogs keeps the logs of components and pods beyond the cluster's end.
func (c *cluster) copyLogs(dir string) error {
	for from, to := range map[string]string{c.layout.path("log"): "components", c.layout.path("var/log/pods"): "pods"} {
		files := os.DirFS(from)
		err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := fs.ReadFile(files, path)
			if err != nil {
				return err
			}
			target := filepath.Join(dir, to, path)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, data, 0o644)
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// firstCause is the last line of the node's own log, which names the component that fails.
func (c *cluster) firstCause() error {
	data, err := os.ReadFile(c.layout.path("log", "node.log"))
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return fmt.Errorf("the node says: %s", lines[len(lines)-1])
}

// waitForAPI waits until the API server says that it is ready.
func (l layout) waitForAPI(ctx context.Context, server string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pair, err := tls.LoadX509KeyPair(l.path("pki/admin.crt"), l.path("pki/admin.key"))
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(l.path("pki/ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	for {
		err := askReady(ctx, client, server+"/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API server does not get ready: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func askReady(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
