package main

import (
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// settings are all that differs between machines; `cluster node` reads them.
type settings struct {
	Programs map[string]string // built programs: name -> file
	Root     string            // unpacked Debian packages
	CNI      string            // directory of the network plug-ins
	Host     string            // address of this machine as the node sees it
	Address  string            // address of the node as this machine sees it
	Overlay  bool              // whether the cache's file system can carry overlays
	Cgroup   string
}

// cgroupName is below the root of every hierarchy of control groups.
const cgroupName = "kyma-connectors-cluster"

//go:embed manifests
var manifests embed.FS

// writeSettings writes what the components read: certificates, kubeconfigs, configuration files.
func (l layout) writeSettings(s settings) error {
	for _, dir := range []string{"log", "etc/cni", "etcd", "containerd", "plugins", "var/lib", "var/log", "var/tmp", volumesDir} {
		if err := os.MkdirAll(l.path(dir), 0o755); err != nil {
			return err
		}
	}
	if err := issueAll(l.path("pki"), s.Address); err != nil {
		return err
	}
	for name := range identities() {
		if err := l.writeKubeconfig(name, "https://"+nodeIP+":6443", l.path("etc", name+".kubeconfig")); err != nil {
			return err
		}
	}
	if err := l.writeKubeconfig("admin", "https://"+s.Address+":6443", l.path("kubeconfig")); err != nil {
		return err
	}
	data := map[string]any{"S": s, "Node": l.node, "PodNet": podNet, "NodeIP": nodeIP, "NodeName": nodeName, "DNS": dnsIP, "Bridge": bridge, "Pause": pauseImage, "CoreDNS": corednsImage}
	for name, file := range map[string]string{
		"containerd.toml": "etc/containerd.toml", "kubelet.yaml": "etc/kubelet.yaml", "kube-proxy.yaml": "etc/kube-proxy.yaml",
		"cluster.yaml": "etc/cluster.yaml",
	} {
		if err := render(name, data, l.path(file)); err != nil {
			return err
		}
	}
	for name, program := range map[string]string{
		"bridge": filepath.Join(s.CNI, "bridge"), "host-local": filepath.Join(s.CNI, "host-local"), "loopback": filepath.Join(s.CNI, "loopback"),
		policyPlugin: itself,
	} {
		if err := replaceLink(program, l.path("plugins", name)); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(l.path("settings.json"), text, 0o600)
}

func (l layout) readSettings() (settings, error) {
	var s settings
	data, err := os.ReadFile(l.path("settings.json"))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}

func render(name string, data any, file string) error {
	t, err := template.New(name).Option("missingkey=error").ParseFS(manifests, "manifests/"+name)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o600)
}

// writeKubeconfig writes a file that carries its certificates, so that it can be copied.
func (l layout) writeKubeconfig(identity, server, file string) error {
	encoded := map[string]string{}
	for _, f := range []string{"ca.crt", identity + ".crt", identity + ".key"} {
		data, err := os.ReadFile(l.path("pki", f))
		if err != nil {
			return err
		}
		encoded[f] = base64.StdEncoding.EncodeToString(data)
	}
	config := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "kyma-connectors",
		"clusters": []any{map[string]any{"name": "kyma-connectors", "cluster": map[string]any{
			"server": server, "certificate-authority-data": encoded["ca.crt"],
		}}},
		"users": []any{map[string]any{"name": identity, "user": map[string]any{
			"client-certificate-data": encoded[identity+".crt"], "client-key-data": encoded[identity+".key"],
		}}},
		"contexts": []any{map[string]any{"name": "kyma-connectors", "context": map[string]any{"cluster": "kyma-connectors", "user": identity}}},
	}
	data, err := json.MarshalIndent(config, "", "  ") // JSON is YAML
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o600)
}

// daemon is a component that runs as long as the node.
type daemon struct {
	name string
	args []string
}

// first must answer before the others start.
func (l layout) first(s settings) []daemon {
	pki := func(name string) string { return l.path("pki", name) }
	return []daemon{
		{"etcd", []string{
			s.Programs["etcd"], "--data-dir", l.path("etcd"), "--unsafe-no-fsync", "--listen-peer-urls", "http://127.0.0.1:2380",
			"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
		}},
		{"kube-apiserver", []string{
			s.Programs["kube-apiserver"], "--etcd-servers=http://127.0.0.1:2379", "--advertise-address=" + nodeIP, "--secure-port=6443",
			"--service-cluster-ip-range=" + serviceNet, "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
			"--allow-privileged=true", "--client-ca-file=" + pki("ca.crt"),
			"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
			"--kubelet-client-certificate=" + pki("apiserver.crt"), "--kubelet-client-key=" + pki("apiserver.key"),
			"--kubelet-certificate-authority=" + pki("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + pki("service-accounts.crt"), "--service-account-signing-key-file=" + pki("service-accounts.key"),
		}},
		{"containerd", []string{"containerd", "--config", l.path("etc", "containerd.toml")}},
	}
}

func (l layout) others(s settings) []daemon {
	config := func(name string) string { return l.path("etc", name) }
	return []daemon{
		{"kube-controller-manager", []string{
			s.Programs["kube-controller-manager"], "--kubeconfig=" + config("controller-manager.kubeconfig"), "--leader-elect=false",
			"--use-service-account-credentials=true", "--root-ca-file=" + l.path("pki", "ca.crt"),
			"--service-account-private-key-file=" + l.path("pki", "service-accounts.key"),
			"--cluster-signing-cert-file=" + l.path("pki", "ca.crt"), "--cluster-signing-key-file=" + l.path("pki", "ca.key"),
		}},
		{"kube-scheduler", []string{s.Programs["kube-scheduler"], "--kubeconfig=" + config("scheduler.kubeconfig"), "--leader-elect=false"}},
		{"kubelet", []string{
			s.Programs["kubelet"], "--config=" + config("kubelet.yaml"), "--kubeconfig=" + config("kubelet.kubeconfig"),
			"--hostname-override=" + nodeName, "--node-ip=" + nodeIP,
		}},
		{"kube-proxy", []string{s.Programs["kube-proxy"], "--config=" + config("kube-proxy.yaml"), "--hostname-override=" + nodeName}},
	}
}

// environment is that of every component: Debian's programs first, nothing of the caller's.
func environment(s settings) []string {
	bin, lib := []string{}, []string{}
	for _, d := range []string{"usr/sbin", "usr/bin", "sbin", "bin"} {
		bin = append(bin, filepath.Join(s.Root, d))
	}
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		dirs, err := filepath.Glob(filepath.Join(s.Root, pattern))
		if err == nil {
			lib = append(lib, dirs...)
		}
	}
	return []string{
		"PATH=" + strings.Join(append(bin, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"), ":"),
		"LD_LIBRARY_PATH=" + strings.Join(lib, ":"), "HOME=/root", "LC_ALL=C",
	}
}

// volume is the manifest of one static persistent volume, a directory of the node.
func volume(name string) string {
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": %[1]q, "labels": {"kyma-connectors-cluster": "static"}}, "spec": {
  "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "local",
  "local": {"path": "/%[3]s/%[1]s"},
  "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [%[2]q]}]}]}}}}
`, name, nodeName, volumesDir)
}
