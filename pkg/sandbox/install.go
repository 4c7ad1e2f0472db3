package sandbox

import (
	"context"
	"fmt"
	"net"
	"strings"
)

func (t *trial) start(ctx context.Context) (string, error) {
	var err error
	if t.sandbox, err = open(ctx, t.Options, t.newSystem); err != nil {
		return "", err
	}
	if t.Keep {
		t.report.Dir = t.sandbox.dir
	}
	t.client = t.sandbox.proxy.Client()
	t.sandbox.proxy.Handle(net.JoinHostPort(workloadName+"."+t.Release.Namespace, "80"), t.workload)
	return fmt.Sprintf("Kyma (%s) and %s", t.Generation, t.Definition.Metadata.DisplayName), nil
}

func (t *trial) close() {
	if t.sandbox == nil {
		return
	}
	if err := t.sandbox.close(); err != nil {
		t.problem(t.redact("close the sandbox: " + err.Error()))
	}
}

func (t *trial) hooks(event string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ran, err := t.sandbox.runHooks(ctx, event)
		return fmt.Sprintf("%d run", ran), err
	}
}

func (t *trial) apply(ctx context.Context) (string, error) {
	objects := t.sandbox.objects
	if err := t.sandbox.applyAll(ctx, objects); err != nil {
		return "", err
	}
	for _, job := range objects.jobs {
		if err := t.sandbox.runJob(ctx, job); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d manifests", len(objects.apply)), nil
}

func (t *trial) pods(ctx context.Context) (string, error) {
	n, err := t.sandbox.startPods(ctx)
	if err != nil {
		return "", err
	}
	t.places = t.paramsDirs()
	if t.own, err = t.Definition.ReadParams(t.places...); err != nil {
		return "", fmt.Errorf("read the installation's parameters: %w", err)
	}
	if t.app, err = t.Definition.Application.Text(t.own.Input()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d ready", n), nil
}

// paramsDirs are the places of parameters as a running gateway sees them.
func (t *trial) paramsDirs() []string {
	for _, p := range t.sandbox.network.running() {
		if places := p.Variable("KC_PARAMS"); places != "" {
			return strings.Split(places, ",")
		}
	}
	return nil
}

// remove does what Helm does on an uninstall and looks at what is left.
func (t *trial) remove(ctx context.Context) (string, error) {
	if err := t.unsubscribe(ctx); err != nil {
		return "", err
	}
	if _, err := t.sandbox.runHooks(ctx, "pre-delete"); err != nil {
		return "", err
	}
	t.sandbox.stopPods()
	if err := t.sandbox.removeObjects(ctx); err != nil {
		return "", err
	}
	if _, err := t.sandbox.runHooks(ctx, "post-delete"); err != nil {
		return "", err
	}
	left, err := t.sandbox.left(ctx)
	if err != nil {
		return "", err
	}
	t.report.Left = append(t.report.Left, left...)
	if len(left) > 0 {
		return "", fmt.Errorf("the removal left behind: %s", strings.Join(left, ", "))
	}
	if err := t.silent(ctx); err != nil {
		return "", err
	}
	return "nothing is left", nil
}
