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
	"slices"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/access"
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
	// System is the connector's name. The simulated system is the one of that name; where there is none, it is
	// made of the connector's definition.
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

// sandbox is a release on this machine. open makes one, close ends it. Its methods are called one after
// the other.
type sandbox struct {
	options Options
	dir     string
	proxy   *proxy.Proxy
	kyma    *simulator.Kyma
	system  simulator.System
	cluster *cluster
	access  *access.Access
	machine *pod.Machine
	network *network
	objects *objects
	before  []string // the inventory before the release

	mu      sync.Mutex
	secrets []secret.Text // all that were ever seen in the cluster
}

// open opens the sandbox: simulators, proxy and temporary directory. Nothing of the release runs yet. On
// an error nothing is left.
func open(ctx context.Context, o Options, newSystem func() (simulator.System, error)) (*sandbox, error) {
	s := &sandbox{options: o}
	if err := s.start(ctx, newSystem); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *sandbox) start(ctx context.Context, newSystem func() (simulator.System, error)) error {
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
	if s.system, err = newSystem(); err != nil {
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
	s.access = access.New()
	s.proxy.Handle(apiHost+":443", s.access.Handler(s.kyma.KubeAPI(), token))
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

// close ends all processes and servers and removes the temporary directory, unless it is to be kept. It
// may be called at any time, also twice.
func (s *sandbox) close() error {
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

// runHooks runs the hooks of an event in Helm's order, removes those that ask for it when all have
// succeeded, and returns how many Jobs and Pods there were.
func (s *sandbox) runHooks(ctx context.Context, event string) (int, error) {
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

func (s *sandbox) runJob(ctx context.Context, job *batchv1.Job) error {
	ctx, cancel := context.WithTimeoutCause(ctx, jobTimeout, fmt.Errorf("it took more than %s", jobTimeout))
	defer cancel()
	return s.machine.RunJob(ctx, job)
}

func (s *sandbox) runPod(ctx context.Context, p *corev1.Pod) error {
	ctx, cancel := context.WithTimeoutCause(ctx, jobTimeout, fmt.Errorf("it took more than %s", jobTimeout))
	defer cancel()
	return s.machine.RunToEnd(ctx, p)
}

// applyAll gives the manifests to the simulated Kubernetes API. Kinds that it has no part in are left out,
// except Kyma's own: a Kyma that does not serve them would refuse the release.
func (s *sandbox) applyAll(ctx context.Context, o *objects) error {
	for _, m := range o.apply {
		if err := s.access.Add(m.Content, s.options.Release.Namespace); err != nil {
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
func (s *sandbox) startPods(ctx context.Context) (int, error) {
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

func (s *sandbox) stopPods() {
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
func (s *sandbox) crashed() error {
	for _, p := range s.network.running() {
		if err := p.Failed(); err != nil {
			return err
		}
	}
	return nil
}

// removeObjects deletes the release's objects, as Helm does after the pre-delete hooks.
func (s *sandbox) removeObjects(ctx context.Context) error {
	var errs []error
	manifests := slices.Clone(s.options.Release.Manifests)
	slices.Reverse(manifests)
	for _, m := range manifests {
		errs = append(errs, s.remove(ctx, m))
	}
	return errors.Join(errs...)
}

func (s *sandbox) remove(ctx context.Context, m provision.Manifest) error {
	s.access.Remove(m.Content, s.options.Release.Namespace)
	if err := s.cluster.remove(ctx, m, s.options.Release.Namespace); err != nil && !errors.Is(err, errNotServed) {
		return fmt.Errorf("remove %s %s: %w", m.Kind, m.Name, err)
	}
	return nil
}

// left are the objects that are there now and were not before the release.
func (s *sandbox) left(ctx context.Context) ([]string, error) {
	now, err := s.cluster.inventory(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(now, func(name string) bool { return slices.Contains(s.before, name) }), nil
}
