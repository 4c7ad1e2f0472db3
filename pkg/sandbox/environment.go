package sandbox

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/pod"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

func (s *sandbox) newMachine() error {
	if err := os.WriteFile(filepath.Join(s.dir, "ca.crt"), s.proxy.CA(), 0o600); err != nil {
		return err
	}
	// For people who look into the cluster while it is up.
	if _, err := s.kubeconfig("kubeconfig", s.options.Release.Namespace, s.cluster.token); err != nil {
		return err
	}
	s.machine = &pod.Machine{
		Dir:      s.dir,
		Binaries: s.options.Binaries,
		Objects:  s.cluster,
		Redactor: s.redactor,
		Grace:    grace,
		Env:      s.environment,
	}
	return nil
}

// environment is what the sandbox adds to a pod's variables: the way out and, for a pod with an account
// token, the way to the Kubernetes API.
func (s *sandbox) environment(p *corev1.Pod) ([]string, error) {
	env := []string{
		"HTTP_PROXY=" + s.proxy.URL(),
		"HTTPS_PROXY=" + s.proxy.URL(),
		// Only the sandbox's authority is trusted: a connection around the proxy fails.
		"SSL_CERT_FILE=" + filepath.Join(s.dir, "ca.crt"),
		"SSL_CERT_DIR=" + filepath.Join(s.dir, "none"),
		// A definition under trial may be for a system on this machine.
		"KC_ALLOW_ADDRESS=127.0.0.0/8,::1/128",
		// No load balancer here has to hear first that a pod goes. What the manifest says wins.
		"KC_DRAIN_DELAY=0s",
	}
	if mount := p.Spec.AutomountServiceAccountToken; mount != nil && !*mount {
		return env, nil
	}
	file, err := s.kubeconfig("kubeconfig."+p.Name, p.Namespace, s.access.Token(p.Namespace, p.Spec.ServiceAccountName))
	return append(env, "KUBECONFIG="+file), err
}

// kubeconfig writes the file by which a process reaches the Kubernetes API, through the proxy.
func (s *sandbox) kubeconfig(name, namespace string, token secret.Text) (string, error) {
	named := func(key string, value map[string]any) []any {
		return []any{map[string]any{"name": "sandbox", key: value}}
	}
	data, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "sandbox",
		"clusters": named("cluster", map[string]any{
			"server": "https://" + apiHost, "proxy-url": s.proxy.URL(), "certificate-authority": filepath.Join(s.dir, "ca.crt"),
		}),
		"users":    named("user", map[string]any{"token": token.Reveal()}),
		"contexts": named("context", map[string]any{"cluster": "sandbox", "user": "sandbox", "namespace": namespace}),
	})
	if err != nil {
		return "", err
	}
	file := filepath.Join(s.dir, name)
	return file, os.WriteFile(file, data, 0o600)
}

// redactor knows the values of all Secrets that are in the cluster or have been.
func (s *sandbox) redactor() *secret.Redactor {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster != nil {
		texts, err := s.cluster.secrets(ctx)
		if err != nil {
			s.options.Log.Warn("secrets for redaction cannot be read", "error", err)
		}
		for _, text := range texts {
			if !slices.Contains(s.secrets, text) {
				s.secrets = append(s.secrets, text)
			}
		}
	}
	return secret.NewRedactor(append(slices.Clone(s.secrets), s.options.Secrets...)...)
}
