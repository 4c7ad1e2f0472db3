// Package sandbox runs a provisioned add-on on this machine: the rendered hooks, jobs and workloads as
// local processes, wired to a simulated Kyma and a simulated source system. Nothing leaves the machine,
// and nothing stays behind.
package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/pod"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/proxy"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// apiHost is the name of the Kubernetes API in every cluster.
const apiHost = "kubernetes.default.svc"

const (
	readyTimeout = 30 * time.Second
	jobTimeout   = time.Minute
	// grace is how long processes get to end after SIGTERM.
	grace = 10 * time.Second
)

// Options say what a sandbox runs.
type Options struct {
	// Release is what a broker would install.
	Release *provision.Release
	// System is the connector's name; the simulated system is the one of that name.
	System string
	// Parameters are the form's values: where the system is and what signs in to it.
	Parameters map[string]string
	// Secrets are the secret ones among them: what must never be shown, from the start.
	Secrets []secret.Text
	// Generation is the Kyma to simulate.
	Generation simulator.Generation
	// Binaries is the directory with one program per image.
	Binaries string
	// Keep leaves the temporary directory behind, for looking at logs and mounts.
	Keep bool
	// Log takes what the simulators' servers complain about.
	Log *slog.Logger
}

// Sandbox is a release on this machine. Start makes one, Close ends it. Its methods are called one after
// the other.
type Sandbox struct {
	options Options
	dir     string
	proxy   *proxy.Proxy
	kyma    *simulator.Kyma
	system  simulator.System
	cluster *cluster
	access  *access
	machine *pod.Machine
	network *network
	objects *objects
	before  []string // the inventory before the release

	mu      sync.Mutex
	secrets []secret.Text // all that were ever seen in the cluster
}

// Start opens the sandbox: simulators, proxy and temporary directory. Nothing of the release runs yet. On
// an error nothing is left.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	s := &Sandbox{options: o}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Sandbox) start(ctx context.Context) error {
	release := s.options.Release
	objects, err := decode(release.Manifests, release.Namespace)
	if err != nil {
		return err
	}
	s.objects = objects
	if s.dir, err = os.MkdirTemp("", "connector-sandbox-"); err != nil {
		return err
	}
	if s.proxy, err = proxy.Start(s.options.Log); err != nil {
		return err
	}
	if s.system, err = simulator.NewSystem(s.options.System, s.options.Parameters); err != nil {
		return err
	}
	token := secret.New(rand.Text())
	s.kyma, err = simulator.NewKyma(simulator.KymaOptions{
		Generation:   s.options.Generation,
		Namespaces:   []string{release.Namespace},
		Token:        token.Reveal(),
		SystemClient: s.proxy.Client(),
		SinkClient:   s.proxy.Client(),
	})
	if err != nil {
		return err
	}
	s.access = newAccess()
	s.proxy.Handle(apiHost+":443", s.access.handler(s.kyma.KubeAPI(), token))
	s.cluster = newCluster("https://"+apiHost, token, s.proxy.Client())
	s.network = &network{namespace: release.Namespace}
	s.proxy.HandleAll(s.kyma.Hosts)
	s.proxy.HandleAll(s.system.Hosts)
	s.proxy.HandleAll(s.network.hosts)
	if err := s.newMachine(); err != nil {
		return err
	}
	s.before, err = s.cluster.inventory(ctx)
	return err
}

func (s *Sandbox) newMachine() error {
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
func (s *Sandbox) environment(p *corev1.Pod) ([]string, error) {
	env := []string{
		"HTTP_PROXY=" + s.proxy.URL(),
		"HTTPS_PROXY=" + s.proxy.URL(),
		// Only the sandbox's authority is trusted: a connection around the proxy fails.
		"SSL_CERT_FILE=" + filepath.Join(s.dir, "ca.crt"),
		"SSL_CERT_DIR=" + filepath.Join(s.dir, "none"),
		// No load balancer here has to hear first that a pod goes. What the manifest says wins.
		"KC_DRAIN_DELAY=0s",
	}
	if mount := p.Spec.AutomountServiceAccountToken; mount != nil && !*mount {
		return env, nil
	}
	file, err := s.kubeconfig("kubeconfig."+p.Name, p.Namespace, s.access.token(p.Namespace, p.Spec.ServiceAccountName))
	return append(env, "KUBECONFIG="+file), err
}

// kubeconfig writes the file by which a process reaches the Kubernetes API, through the proxy.
func (s *Sandbox) kubeconfig(name, namespace string, token secret.Text) (string, error) {
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
func (s *Sandbox) redactor() *secret.Redactor {
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

// Close ends all processes and servers and removes the temporary directory, unless it is to be kept. It
// may be called at any time, also twice.
func (s *Sandbox) Close() error {
	s.stopPods()
	var errs []error
	if s.system != nil {
		s.system.Close()
	}
	if s.kyma != nil {
		s.kyma.Close()
	}
	if s.proxy != nil {
		errs = append(errs, s.proxy.Close())
	}
	if s.dir != "" && !s.options.Keep {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// Dir is the temporary directory: logs are in pods/<pod>/logs.
func (s *Sandbox) Dir() string { return s.dir }

// runHooks runs the hooks of an event in Helm's order, removes those that ask for it when all have
// succeeded, and returns how many Jobs and Pods there were.
func (s *Sandbox) runHooks(ctx context.Context, event string) (int, error) {
	ran := 0
	hooks := s.options.Release.HooksFor(event)
	for _, hook := range hooks {
		one, err := decode([]provision.Manifest{hook.Manifest}, s.options.Release.Namespace)
		if err != nil {
			return ran, err
		}
		switch {
		case len(one.jobs) == 1:
			err = s.runJob(ctx, one.jobs[0])
			ran++
		case len(one.pods) == 1:
			err = s.runPod(ctx, one.pods[0])
			ran++
		default:
			err = s.applyAll(ctx, one)
		}
		if err != nil {
			return ran, fmt.Errorf("%s hook: %w", event, err)
		}
	}
	for _, hook := range hooks {
		if !slices.Contains(hook.DeletePolicies, "hook-succeeded") {
			continue
		}
		if err := s.remove(ctx, hook.Manifest); err != nil {
			return ran, fmt.Errorf("%s hook: %w", event, err)
		}
	}
	return ran, nil
}

func (s *Sandbox) runJob(ctx context.Context, job *batchv1.Job) error {
	ctx, cancel := context.WithTimeoutCause(ctx, jobTimeout, fmt.Errorf("it took more than %s", jobTimeout))
	defer cancel()
	return s.machine.RunJob(ctx, job)
}

func (s *Sandbox) runPod(ctx context.Context, p *corev1.Pod) error {
	ctx, cancel := context.WithTimeoutCause(ctx, jobTimeout, fmt.Errorf("it took more than %s", jobTimeout))
	defer cancel()
	return s.machine.RunToEnd(ctx, p)
}

// applyAll gives the manifests to the simulated Kubernetes API. Kinds that it has no part in are left out,
// except Kyma's own: a Kyma that does not serve them would refuse the release.
func (s *Sandbox) applyAll(ctx context.Context, o *objects) error {
	for _, m := range o.apply {
		if err := s.access.add(m, s.options.Release.Namespace); err != nil {
			return fmt.Errorf("%s %s: %w", m.Kind, m.Name, err)
		}
		err := s.cluster.apply(ctx, m, s.options.Release.Namespace)
		group, _, _ := strings.Cut(m.APIVersion, "/")
		if errors.Is(err, errNotServed) && !strings.HasSuffix(group, ".kyma-project.io") {
			continue
		}
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", m.Kind, m.Name, err)
		}
	}
	s.network.addObjects(o)
	return nil
}

// startPods starts the pods of all Deployments and StatefulSets and waits until they are ready.
func (s *Sandbox) startPods(ctx context.Context) (int, error) {
	var wanted []*corev1.Pod
	for _, d := range s.objects.deployments {
		wanted = append(wanted, pod.OfDeployment(d)...)
	}
	for _, set := range s.objects.statefulSets {
		wanted = append(wanted, pod.OfStatefulSet(set)...)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("it took more than %s", readyTimeout))
	defer cancel()
	for _, object := range wanted {
		p, err := s.machine.Start(ctx, object)
		if err != nil {
			return 0, err
		}
		s.network.addPod(p)
	}
	for _, p := range s.network.running() {
		if err := p.Ready(ctx); err != nil {
			return 0, err
		}
	}
	return len(wanted), nil
}

func (s *Sandbox) stopPods() {
	if s.network == nil {
		return
	}
	var wait sync.WaitGroup
	for _, p := range s.network.takePods() {
		wait.Go(func() { p.Stop(context.Background()) })
	}
	wait.Wait()
}

// crashed says whether a pod that should run has ended.
func (s *Sandbox) crashed() error {
	for _, p := range s.network.running() {
		if err := p.Failed(); err != nil {
			return err
		}
	}
	return nil
}

// removeObjects deletes the release's objects, as Helm does after the pre-delete hooks.
func (s *Sandbox) removeObjects(ctx context.Context) error {
	var errs []error
	manifests := slices.Clone(s.options.Release.Manifests)
	slices.Reverse(manifests)
	for _, m := range manifests {
		errs = append(errs, s.remove(ctx, m))
	}
	return errors.Join(errs...)
}

func (s *Sandbox) remove(ctx context.Context, m provision.Manifest) error {
	s.access.remove(m, s.options.Release.Namespace)
	if err := s.cluster.remove(ctx, m, s.options.Release.Namespace); err != nil && !errors.Is(err, errNotServed) {
		return fmt.Errorf("remove %s %s: %w", m.Kind, m.Name, err)
	}
	return nil
}

// left are the objects that are there now and were not before the release.
func (s *Sandbox) left(ctx context.Context) ([]string, error) {
	now, err := s.cluster.inventory(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(now, func(name string) bool { return slices.Contains(s.before, name) }), nil
}
