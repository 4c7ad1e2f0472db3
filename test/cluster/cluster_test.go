package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

func testLayout(t *testing.T) layout {
	t.Helper()
	dir := t.TempDir()
	l := layout{cache: dir, node: filepath.Join(dir, "node")}
	require.NoError(t, os.MkdirAll(l.node, 0o755))
	return l
}

func TestAddressesAreThoseNobodyUses(t *testing.T) {
	t.Parallel()
	prefixes := func(texts ...string) (list []netip.Prefix) {
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	for name, tc := range map[string]struct {
		taken      []netip.Prefix
		host, node string
	}{
		"nothing taken":          {nil, "198.18.0.1", "198.18.0.2"},
		"another cluster":        {prefixes("198.18.0.0/30", "10.0.0.0/8"), "198.18.1.1", "198.18.1.2"},
		"a wider net, and IPv6":  {prefixes("198.18.0.0/23", "fd00::/8"), "198.18.2.1", "198.18.2.2"},
		"an address in the last": {prefixes("198.18.0.2/32"), "198.18.1.1", "198.18.1.2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, node, err := chooseAddresses(tc.taken)
			require.NoError(t, err)
			assert.Equal(t, []string{tc.host, tc.node}, []string{host, node})
		})
	}
	_, _, err := chooseAddresses(prefixes("198.18.0.0/16"))
	assert.ErrorContains(t, err, "no free network")
}

func TestALaterProcessWithTheSameIDIsNotTheNode(t *testing.T) {
	t.Parallel()
	l := testLayout(t)
	_, alive, err := l.running()
	require.NoError(t, err)
	assert.False(t, alive, "nothing was started")

	require.NoError(t, l.writeProcess(os.Getpid()))
	p, alive, err := l.running()
	require.NoError(t, err)
	assert.True(t, alive)
	assert.Equal(t, os.Getpid(), p.pid)

	require.NoError(t, os.WriteFile(l.path("pid"), []byte(strings.Replace(p.line(), p.start, "1"+p.start, 1)), 0o600))
	_, alive, err = l.running()
	require.NoError(t, err)
	assert.False(t, alive, "same id, other start")

	require.NoError(t, os.WriteFile(l.path("pid"), []byte("junk"), 0o600))
	_, _, err = l.running()
	assert.ErrorContains(t, err, "is damaged")
}

func TestCertificatesNameWhoTheyAreFor(t *testing.T) {
	t.Parallel()
	l := testLayout(t)
	require.NoError(t, issueAll(l.path("pki"), "198.18.0.2"))
	ca, err := os.ReadFile(l.path("pki", "ca.crt"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca))
	for name, want := range identities() {
		pair, err := tls.LoadX509KeyPair(l.path("pki", name+".crt"), l.path("pki", name+".key"))
		require.NoError(t, err)
		assert.Equal(t, want.CommonName, pair.Leaf.Subject.CommonName)
		assert.Equal(t, want.Organization, pair.Leaf.Subject.Organization)
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		assert.NoError(t, err, name)
	}
	server, err := tls.LoadX509KeyPair(l.path("pki/apiserver.crt"), l.path("pki/apiserver.key"))
	require.NoError(t, err)
	for _, host := range []string{"198.18.0.2", nodeIP, firstIP, "kubernetes.default.svc"} {
		_, err := server.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host})
		assert.NoError(t, err, host)
	}
}

func TestSettingsAreWhatTheComponentsRead(t *testing.T) {
	t.Parallel()
	l := testLayout(t)
	s := settings{Programs: map[string]string{"etcd": "/x/etcd"}, Root: "/debian", CNI: "/cni", Host: "198.18.0.1", Address: "198.18.0.2", Cgroup: cgroupName}
	require.NoError(t, l.writeSettings(s))
	again, err := l.readSettings()
	require.NoError(t, err)
	assert.Equal(t, s, again)

	config, err := clientcmd.LoadFromFile(l.path("kubeconfig"))
	require.NoError(t, err)
	rest, err := clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig()
	require.NoError(t, err)
	assert.Equal(t, "https://198.18.0.2:6443", rest.Host)
	assert.NotEmpty(t, rest.CAData)
	for _, file := range []string{"kubelet.yaml", "kube-proxy.yaml", "cluster.yaml"} {
		data, err := os.ReadFile(l.path("etc", file))
		require.NoError(t, err)
		for _, document := range strings.Split(string(data), "\n---\n") {
			var object map[string]any
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), &object), file)
			assert.NotEmpty(t, object["kind"], file)
		}
	}
	for _, want := range []string{`snapshotter = "native"`, `sandbox_image = "` + pauseImage + `"`} {
		data, err := os.ReadFile(l.path("etc/containerd.toml"))
		require.NoError(t, err)
		assert.Contains(t, string(data), want)
	}
}

func TestPodsWaitForTheirPoliciesWhereTheyAreEnforced(t *testing.T) {
	t.Parallel()
	for enforced, want := range map[bool][]string{true: {"bridge", policyPlugin}, false: {"bridge"}} {
		l := testLayout(t)
		require.NoError(t, l.writeSettings(settings{CNI: "/cni"}))
		require.NoError(t, l.writeNetwork(enforced))
		data, err := os.ReadFile(l.path("etc/cni/10-bridge.conflist"))
		require.NoError(t, err)
		var list struct {
			Plugins []struct{ Type, Socket string }
		}
		require.NoError(t, json.Unmarshal(data, &list))
		var plugins []string
		for _, p := range list.Plugins {
			plugins = append(plugins, p.Type)
			_, err := os.Lstat(l.path("plugins", p.Type))
			assert.NoError(t, err, "containerd finds the plug-ins in one directory")
		}
		assert.Equal(t, want, plugins)
	}
}

func TestWhetherPoliciesAreEnforcedIsSaid(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &cluster{layout: testLayout(t), out: &out, progress: &out}
	assert.ErrorContains(t, c.policies(""), "no cluster")
	require.NoError(t, c.policies("/home/me/config"))
	assert.Contains(t, out.String(), "unknown")
	out.Reset()

	require.NoError(t, c.layout.writeProcess(os.Getpid()))
	assert.Error(t, c.policies(""), "the node has not found out yet")
	require.NoError(t, os.WriteFile(c.layout.path("policies"), []byte("not enforced: no nft\n"), 0o600))
	require.NoError(t, c.policies(""))
	assert.Equal(t, "not enforced: no nft\n", out.String())
}

func TestVolumesAreOnTheNode(t *testing.T) {
	t.Parallel()
	var v corev1.PersistentVolume
	require.NoError(t, json.Unmarshal([]byte(volume("volume-3")), &v))
	assert.Equal(t, "/"+volumesDir+"/volume-3", v.Spec.Local.Path)
	assert.Equal(t, []string{nodeName}, v.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values)
}

func TestACacheIsForOneVersionAndItsDependencies(t *testing.T) {
	t.Parallel()
	for _, c := range components() {
		version, key, err := moduleVersion(filepath.Join("components", c.name), c.module)
		require.NoError(t, err)
		assert.Regexp(t, `^v\d+\.\d+\.\d+$`, version)
		assert.Len(t, key, 8)
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module x\n\nrequire example.com/y v1.2.3 // indirect\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), []byte("one"), 0o600))
	version, one, err := moduleVersion(dir, "example.com/y")
	require.NoError(t, err)
	assert.Equal(t, "v1.2.3", version)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), []byte("two"), 0o600))
	_, two, err := moduleVersion(dir, "example.com/y")
	require.NoError(t, err)
	assert.NotEqual(t, one, two)
	_, _, err = moduleVersion(dir, "example.com/z")
	assert.ErrorContains(t, err, "does not require example.com/z")
}

func TestKubernetesTellsItsVersion(t *testing.T) {
	t.Parallel()
	flags := kubernetesVersion("v1.36.3")
	assert.Contains(t, flags, "-X k8s.io/component-base/version.gitVersion=v1.36.3 ")
	assert.Contains(t, flags, "-X k8s.io/client-go/pkg/version.gitMinor=36")
}

func TestWithoutAClusterOfItsOwnItTakesTheOther(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &cluster{layout: testLayout(t), out: &out, progress: &out}
	assert.ErrorContains(t, c.kubeconfig(""), "make cluster-up")
	require.NoError(t, c.kubeconfig("/home/me/config"))
	assert.Equal(t, "/home/me/config\n", out.String())
	assert.ErrorContains(t, c.load(context.Background(), []string{"x.tar"}), "does not run")
	assert.ErrorContains(t, c.load(context.Background(), nil), "name the image archives")
}

func TestAMachineThatLacksSomethingIsToldWhat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &cluster{layout: testLayout(t), out: &out, progress: &out}
	lacks := []string{"you are not root", "no apt-get"}
	assert.ErrorContains(t, c.otherThan(lacks, ""), "set KUBECONFIG")
	for _, l := range lacks {
		assert.Contains(t, out.String(), l)
	}
	out.Reset()
	require.NoError(t, c.otherThan(lacks, "/home/me/config"))
	assert.Contains(t, out.String(), "using the cluster of KUBECONFIG=/home/me/config")
}
