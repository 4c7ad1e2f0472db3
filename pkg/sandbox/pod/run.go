package pod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// defaultGrace is Kubernetes' own.
const defaultGrace = 30 * time.Second

// Pod is a pod whose containers run. Stop ends it.
type Pod struct {
	// Object is the pod as it was started.
	Object *corev1.Pod
	ports  Ports
	procs  []*running
	grace  time.Duration
	m      *Machine
}

// Start runs the pod's init containers to their end and starts its containers. On an error nothing of
// the pod is left running.
func (m *Machine) Start(ctx context.Context, object *corev1.Pod) (*Pod, error) {
	plan, err := m.prepare(ctx, object)
	if err != nil {
		return nil, err
	}
	return m.start(ctx, object, plan)
}

func (m *Machine) prepare(ctx context.Context, object *corev1.Pod) (*Plan, error) {
	pods := filepath.Join(m.Dir, "pods")
	if err := os.MkdirAll(pods, 0o700); err != nil {
		return nil, err
	}
	// A pod that is started again gets a directory of its own, as in a cluster.
	dir, err := os.MkdirTemp(pods, object.Name+".")
	if err != nil {
		return nil, err
	}
	plan, err := m.Translate(ctx, object, dir, FreeAddresses)
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", object.Name, err)
	}
	return plan, nil
}

func (m *Machine) start(ctx context.Context, object *corev1.Pod, plan *Plan) (*Pod, error) {
	p := &Pod{Object: object, ports: plan.Ports, grace: m.grace(object), m: m}
	for _, process := range plan.Init {
		if err := p.runToEnd(ctx, process); err != nil {
			return nil, err
		}
	}
	for _, process := range plan.Containers {
		r, err := process.start(m.Redactor())
		if err != nil {
			p.Stop(ctx)
			return nil, fmt.Errorf("pod %s: %w", object.Name, err)
		}
		p.procs = append(p.procs, r)
	}
	return p, nil
}

func (m *Machine) grace(object *corev1.Pod) time.Duration {
	grace := defaultGrace
	if seconds := object.Spec.TerminationGracePeriodSeconds; seconds != nil {
		grace = time.Duration(*seconds) * time.Second
	}
	if m.Grace > 0 {
		grace = min(grace, m.Grace)
	}
	return grace
}

func (p *Pod) runToEnd(ctx context.Context, process Process) error {
	r, err := process.start(p.m.Redactor())
	if err != nil {
		return fmt.Errorf("pod %s: %w", p.Object.Name, err)
	}
	select {
	case <-r.done:
		r.stop(ctx, 0)
		return p.ended(r)
	case <-ctx.Done():
		r.stop(context.WithoutCancel(ctx), p.grace)
		return fmt.Errorf("pod %s: container %s did not end in time: %w\n%s", p.Object.Name, r.Container, context.Cause(ctx), indent(r.words(p.m.Redactor())))
	}
}

// ended judges a process that is over: nil for exit code 0.
func (p *Pod) ended(r *running) error {
	if r.exit == 0 {
		return nil
	}
	return &ExitError{Pod: p.Object.Name, Container: r.Container, Code: r.exit, Words: r.words(p.m.Redactor())}
}

// Ready waits until every container's startup and readiness probes have succeeded.
func (p *Pod) Ready(ctx context.Context) error {
	for _, r := range p.procs {
		for _, probe := range []*corev1.Probe{r.Startup, r.Readiness} {
			err := r.await(ctx, probe, p.ports)
			if errors.Is(err, errEnded) {
				return &ExitError{Pod: p.Object.Name, Container: r.Container, Code: r.exit, Words: r.words(p.m.Redactor())}
			}
			if err != nil {
				return fmt.Errorf("pod %s: container %s: %w\n%s", p.Object.Name, r.Container, err, indent(r.words(p.m.Redactor())))
			}
		}
	}
	return nil
}

// Failed says whether a container of the pod has ended although it should run: an *ExitError.
func (p *Pod) Failed() error {
	for _, r := range p.procs {
		select {
		case <-r.done:
			return &ExitError{Pod: p.Object.Name, Container: r.Container, Code: r.exit, Words: r.words(p.m.Redactor())}
		default:
		}
	}
	return nil
}

// Address is where a port of the pod is reached on this machine.
func (p *Pod) Address(port intstr.IntOrString) (string, bool) { return p.ports.Address(port) }

// PIDs are the process ids of the pod's containers.
func (p *Pod) PIDs() []int {
	out := make([]int, 0, len(p.procs))
	for _, r := range p.procs {
		out = append(out, r.pid)
	}
	return out
}

// Stop ends all containers: SIGTERM, and SIGKILL after the grace period or when ctx ends. It returns when
// all are gone.
func (p *Pod) Stop(ctx context.Context) {
	var wait sync.WaitGroup
	for _, r := range p.procs {
		wait.Go(func() { r.stop(ctx, p.grace) })
	}
	wait.Wait()
}

// RunToEnd runs a pod whose containers end by themselves. The error is an *ExitError where a container
// failed.
func (m *Machine) RunToEnd(ctx context.Context, object *corev1.Pod) error {
	p, err := m.Start(ctx, object)
	if err != nil {
		return err
	}
	defer p.Stop(context.WithoutCancel(ctx))
	for _, r := range p.procs {
		select {
		case <-r.done:
			if err := p.ended(r); err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("pod %s: container %s did not end in time: %w\n%s", object.Name, r.Container, context.Cause(ctx), indent(r.words(m.Redactor())))
		}
	}
	return nil
}

// Variable is the value that the pod's containers see of an environment variable, paths rewritten; empty
// where none sets it.
func (p *Pod) Variable(name string) string {
	for _, r := range p.procs {
		for _, variable := range r.Env {
			if value, ok := strings.CutPrefix(variable, name+"="); ok {
				return value
			}
		}
	}
	return ""
}
