//go:build e2e

// Package e2e proves the connectors on a real cluster: the one of make cluster-up, or that of KUBECONFIG. Kyma's own
// parts and the external systems are simulated by pods; everything of ours is what people install.
package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	root          = "../.."
	systemsSpace  = "systems"
	clusterDomain = "kyma.example.com"
	tag           = "e2e"
)

//go:embed manifests
var manifests embed.FS

// suite is one cluster with a Kyma in it. All its methods fail the test with the output of what went wrong.
type suite struct {
	program  string // bin/cluster
	registry string
	ca       *x509.Certificate
	caKey    *ecdsa.PrivateKey
	zones    map[string]string
}

// shared is the suite of all tests, once one of them has made it.
var shared *suite

// newSuite installs Kyma's resource definitions and its simulated parts, and waits until they run. The tests of a run
// share them.
func newSuite(t *testing.T) *suite {
	t.Helper()
	if shared != nil {
		return shared
	}
	program, err := filepath.Abs(filepath.Join(root, "bin/cluster"))
	require.NoError(t, err)
	s := &suite{program: program, registry: os.Getenv("E2E_REGISTRY"), zones: map[string]string{}}
	require.NotEmpty(t, s.registry, "E2E_REGISTRY is not set: run make e2e")
	s.newAuthority(t)
	s.clear(t)
	s.apply(t, s.manifest(t, "crds.yaml", nil))
	for _, crd := range []string{"applications.applicationconnector", "subscriptions.eventing", "apirules.gateway"} {
		s.kubectl(t, "wait", "--for=condition=Established", "--timeout=60s", "crd/"+crd+".kyma-project.io")
	}
	for _, n := range []string{"kyma-system", "istio-system", systemsSpace} {
		s.namespace(t, n, nil)
	}
	s.certificate(t, "istio-system", "tls", "*."+clusterDomain)
	s.certificate(t, "kyma-system", "authorities-tls", "nobody") // for the authority that systems are known by
	s.apply(t, s.manifest(t, "kyma.yaml", map[string]any{"Registry": s.registry, "Tag": tag}))
	for _, d := range []string{"kyma-system/nats", "kyma-system/eventing-publisher-proxy", "kyma-system/eventing-manager", "kyma-system/central-application-gateway", "istio-system/istio-ingressgateway"} {
		s.rollout(t, d)
	}
	s.zones[clusterDomain] = s.address(t, "istio-system", "istio-ingressgateway")
	shared = s
	return s
}

// run runs kubectl or helm and returns what it printed.
func (s *suite) run(t *testing.T, stdin io.Reader, args ...string) string {
	t.Helper()
	out, err := s.try(t.Context(), stdin, args...)
	require.NoError(t, err)
	return out
}

func (s *suite) try(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

func (s *suite) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return s.run(t, nil, append([]string{"kubectl"}, args...)...)
}

func (s *suite) helm(t *testing.T, args ...string) string {
	t.Helper()
	return s.run(t, nil, append([]string{"helm"}, args...)...)
}

func (s *suite) apply(t *testing.T, manifest string) {
	t.Helper()
	s.run(t, strings.NewReader(manifest), "kubectl", "apply", "-f", "-")
}

func (s *suite) applyObject(t *testing.T, object map[string]any) {
	t.Helper()
	data, err := json.Marshal(object)
	require.NoError(t, err)
	s.apply(t, string(data))
}

func (s *suite) get(t *testing.T, into any, args ...string) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(s.kubectl(t, append([]string{"get", "-o", "json"}, args...)...)), into))
}

func (s *suite) manifest(t *testing.T, name string, data any) string {
	t.Helper()
	tmpl, err := template.New(name).Option("missingkey=error").ParseFS(manifests, "manifests/"+name)
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, tmpl.Execute(&b, data))
	return b.String()
}

func (s *suite) rollout(t *testing.T, ref string) {
	t.Helper()
	namespace, name, _ := strings.Cut(ref, "/")
	if _, err := s.try(t.Context(), nil, "kubectl", "-n", namespace, "rollout", "status", "deployment/"+name, "--timeout=120s"); err != nil {
		require.NoError(t, err, s.kubectl(t, "-n", namespace, "describe", "pods")+s.kubectl(t, "-n", namespace, "logs", "deployment/"+name, "--tail=20"))
	}
}

func (s *suite) address(t *testing.T, namespace, service string) string {
	t.Helper()
	return s.kubectl(t, "-n", namespace, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")
}

// mine marks the namespaces that the suite makes, and may delete.
const mine = "kyma-connectors.io/e2e"

// clear removes what an earlier run left, and refuses a cluster with a real Kyma.
func (s *suite) clear(t *testing.T) {
	t.Helper()
	s.kubectl(t, "delete", "clusterrolebindings,clusterroles", "-l", mine)
	for _, name := range strings.Fields(s.kubectl(t, "get", "namespaces", "-l", mine, "-o", "name")) {
		s.outside(t, strings.TrimPrefix(name, "namespace/"))
	}
	s.kubectl(t, "delete", "namespaces", "-l", mine, "--wait", "--timeout=120s")
	require.Empty(t, s.kubectl(t, "get", "customresourcedefinitions", "-l", "!"+mine, "-o", "name", "--field-selector=metadata.name=applications.applicationconnector.kyma-project.io"),
		"this cluster has a Kyma of its own: use another one")
	for _, n := range []string{"kyma-system", "istio-system"} {
		require.Empty(t, s.kubectl(t, "get", "namespace", n, "--ignore-not-found", "-o", "name"), "this cluster has a Kyma of its own: use another one")
	}
	if s.kubectl(t, "api-resources", "--api-group=applicationconnector.kyma-project.io", "-o", "name") != "" {
		s.kubectl(t, "delete", "applications", "--all")
	}
}

// outside removes the rights of releases in one of our namespaces, which are in no namespace.
func (s *suite) outside(t *testing.T, namespace string) {
	t.Helper()
	var bindings struct {
		Items []struct {
			Metadata struct{ Name string }
			RoleRef  struct{ Name string }
			Subjects []struct{ Namespace string }
		}
	}
	s.get(t, &bindings, "clusterrolebindings", "-l", "app.kubernetes.io/part-of=kyma-connectors")
	for _, b := range bindings.Items {
		if len(b.Subjects) == 1 && b.Subjects[0].Namespace == namespace {
			s.kubectl(t, "delete", "--ignore-not-found", "clusterrolebinding/"+b.Metadata.Name, "clusterrole/"+b.RoleRef.Name)
		}
	}
}

func (s *suite) namespace(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	all := map[string]string{mine: "true"}
	maps.Copy(all, labels)
	labels = all
	s.applyObject(t, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name, "labels": labels}})
}

// restricted makes a namespace as a careful operator does: nothing may be reached or reach out unless a policy says
// so, and pods must keep to Pod Security "restricted".
func (s *suite) restricted(t *testing.T, name string) {
	t.Helper()
	s.namespace(t, name, map[string]string{"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"})
	s.applyObject(t, map[string]any{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": map[string]any{"name": "deny-all", "namespace": name},
		"spec": map[string]any{"podSelector": map[string]any{}, "policyTypes": []string{"Ingress", "Egress"}},
	})
	s.applyObject(t, map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "authorities", "namespace": name},
		"data": map[string]string{"ca.crt": s.authority()},
	})
}

func (s *suite) newAuthority(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	s.ca, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	s.caKey = key
}

func (s *suite) authority() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.ca.Raw}))
}

// certificate puts a certificate for hosts into a Secret.
func (s *suite) certificate(t *testing.T, namespace, name string, hosts ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: hosts, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}, s.ca, key.Public(), s.caKey)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	s.applyObject(t, map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name, "namespace": namespace},
		"stringData": map[string]string{
			"tls.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
			"tls.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
			"ca.crt":  s.authority(),
		},
	})
}

// publishNames makes the cluster's DNS know the hosts of the outside world, and waits until it does.
func (s *suite) publishNames(t *testing.T) {
	t.Helper()
	require.NoError(t, s.setZones(t.Context(), s.zones))
}

// setZones writes the zones that answer with an address each into the configuration of CoreDNS, in place of earlier ones.
func (s *suite) setZones(ctx context.Context, zones map[string]string) error {
	corefile, err := s.try(ctx, nil, "kubectl", "-n", "kube-system", "get", "configmap", "coredns", "-o", "jsonpath={.data.Corefile}")
	if err != nil {
		return err
	}
	const begin, end = "# e2e: begin\n", "# e2e: end\n"
	if i, j := strings.Index(corefile, begin), strings.Index(corefile, end); i >= 0 && j > i {
		corefile = corefile[:i] + corefile[j+len(end):]
	}
	if len(zones) > 0 {
		var b strings.Builder
		b.WriteString(begin)
		for zone, address := range zones {
			fmt.Fprintf(&b, "%s:53 {\n    template IN A {\n        answer \"{{ .Name }} 5 IN A %s\"\n    }\n    template IN AAAA {\n        rcode NOERROR\n    }\n}\n", zone, address)
		}
		b.WriteString(end)
		corefile = b.String() + corefile
	}
	patch, err := json.Marshal(map[string]any{"data": map[string]string{"Corefile": corefile}})
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"patch", "configmap", "coredns", "--type=merge", "-p", string(patch)},
		{"rollout", "restart", "deployment/coredns"},
		{"rollout", "status", "deployment/coredns", "--timeout=120s"},
	} {
		if _, err := s.try(ctx, nil, append([]string{"kubectl", "-n", "kube-system"}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// leave removes everything that the suite made: on a cluster that others use, nothing stays.
func (s *suite) leave(ctx context.Context) error {
	err := s.setZones(ctx, nil)
	for _, kind := range []string{"namespaces", "clusterrolebindings", "clusterroles", "customresourcedefinitions"} {
		_, failed := s.try(ctx, nil, "kubectl", "delete", kind, "-l", mine, "--wait", "--timeout=120s")
		err = errors.Join(err, failed)
	}
	return err
}

// proxied calls the port of a Service that is for tests, through the API server.
func (s *suite) proxied(t *testing.T, namespace, service, path string, body, into any) {
	t.Helper()
	raw := fmt.Sprintf("/api/v1/namespaces/%s/services/http:%s:9000/proxy%s", namespace, service, path)
	var out string
	if body == nil {
		out = s.kubectl(t, "get", "--raw", raw)
	} else {
		data, err := json.Marshal(body)
		require.NoError(t, err)
		out = s.run(t, bytes.NewReader(data), "kubectl", "create", "--raw", raw, "-f", "-")
	}
	if into != nil {
		require.NoError(t, json.Unmarshal([]byte(out), into), out)
	}
}

// eventually repeats a check until it says nothing, and fails with what it says last.
func eventually(t *testing.T, limit time.Duration, check func() string) {
	t.Helper()
	problem := ""
	deadline := time.Now().Add(limit)
	for {
		if problem = check(); problem == "" {
			return
		}
		if time.Now().After(deadline) {
			require.Fail(t, problem)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
