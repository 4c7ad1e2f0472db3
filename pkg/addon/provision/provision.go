// Package provision does what Helm Broker does with a plan and the parameters that a user entered: check
// them against the form, merge the values, render the chart under the broker's release name, install it.
package provision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// InstallTimeout is how long Helm Broker waits until everything of a release is ready.
const InstallTimeout = time.Hour

// MaxRelease bounds the length of a release name.
const MaxRelease = 53

// Request is one provisioning.
type Request struct {
	// Plan is a plan's name or directory; it may be empty where the add-on has only one.
	Plan string
	// Parameters are what the user entered in the form.
	Parameters map[string]any
	// Release names the release; empty means the broker's name, made of add-on, plan and InstanceID.
	Release string
	// InstanceID identifies the service instance; empty means a new random UUID.
	InstanceID string
	// Namespace is where the release goes; empty means default.
	Namespace string
	// RepositoryURL is where the index of the add-on's repository is.
	RepositoryURL string
	// Capabilities are what the chart learns of the cluster.
	Capabilities helm.Capabilities
}

// Manifest is one rendered object; Content is its YAML document.
type Manifest = helm.Manifest

// Hook is an object that Helm makes at certain moments and waits for.
type Hook = helm.Hook

// Release is a rendered plan.
type Release struct {
	Name      string
	Namespace string
	Plan      string
	// Values are what the broker gives to Helm: those of the plan, the parameters and the repository's
	// address. They hold secrets.
	Values map[string]any
	// Manifests are in the order in which Helm installs them.
	Manifests []Manifest
	// Hooks are in the order of their kinds; see HooksFor.
	Hooks []Hook

	chart    *helm.Chart
	redactor *secret.Redactor
}

// HooksFor returns the hooks of an event, such as pre-install, in the order in which Helm runs them.
func (r *Release) HooksFor(event string) []Hook {
	var hooks []Hook
	for _, h := range r.Hooks {
		if slices.Contains(h.Events, event) {
			hooks = append(hooks, h)
		}
	}
	slices.SortStableFunc(hooks, func(a, b Hook) int {
		if a.Weight != b.Weight {
			return a.Weight - b.Weight
		}
		return strings.Compare(a.Name, b.Name)
	})
	return hooks
}

// ParameterError says which parameters the form refuses. It never holds a value.
type ParameterError struct {
	Addon    string
	Plan     string
	Problems []form.Problem
}

// Error implements error.
func (e *ParameterError) Error() string {
	texts := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		texts = append(texts, p.Error())
	}
	return fmt.Sprintf("parameters do not fit the form of %s, plan %s: %s", e.Addon, e.Plan, strings.Join(texts, "; "))
}

// Render checks the parameters and renders the plan.
func Render(a *addon.Addon, r Request) (*Release, error) {
	chart, err := helm.Load(a.Chart.All())
	if err != nil {
		return nil, fmt.Errorf("%s: chart/%s: %w", a.Name(), a.ChartName, err)
	}
	return render(a, chart, r)
}

func render(a *addon.Addon, chart *helm.Chart, r Request) (*Release, error) {
	plan, err := choosePlan(a, r.Plan)
	if err != nil {
		return nil, err
	}
	secrets, err := checkParameters(a, plan, r.Parameters)
	if err != nil {
		return nil, err
	}
	release := &Release{
		Name: r.Release, Namespace: r.Namespace, Plan: plan.Meta.Name,
		Values: plan.Merge(r.Parameters, r.RepositoryURL),
		chart:  chart, redactor: secret.NewRedactor(secrets...),
	}
	if release.Name == "" {
		if release.Name, err = ReleaseName(a.Meta.Name, plan.Meta.Name, r.InstanceID); err != nil {
			return nil, err
		}
	}
	if release.Namespace == "" {
		release.Namespace = "default"
	}
	rendered, err := chart.Render(helm.Request{
		Release: release.Name, Namespace: release.Namespace, Values: release.Values,
		Capabilities: r.Capabilities,
	})
	if err != nil {
		// Helm's messages quote values.
		return nil, fmt.Errorf("%s, plan %s: %s", a.Name(), plan.Meta.Name, release.redactor.Redact(err.Error()))
	}
	release.Manifests, release.Hooks = rendered.Manifests, rendered.Hooks
	return release, nil
}

// Bind renders a bind.yaml as a broker does when a binding of the release is asked for. The result holds secrets.
func (r *Release) Bind(template []byte) (string, error) {
	rendered, err := r.chart.Bind(template, helm.Request{Release: r.Name, Namespace: r.Namespace, Values: r.Values})
	if err != nil {
		return "", errors.New(r.redactor.Redact(err.Error()))
	}
	return rendered, nil
}

func choosePlan(a *addon.Addon, name string) (*addon.Plan, error) {
	if name != "" {
		return a.Plan(name)
	}
	if len(a.Plans) == 1 {
		return &a.Plans[0], nil
	}
	return a.Plan("default")
}

// checkParameters checks parameters against the plan's form and returns the values of its secret fields.
func checkParameters(a *addon.Addon, plan *addon.Plan, parameters map[string]any) ([]secret.Text, error) {
	if len(plan.CreateSchema) == 0 {
		if len(parameters) > 0 {
			return nil, fmt.Errorf("%s, plan %s takes no parameters; leave them out", a.Name(), plan.Meta.Name)
		}
		return nil, nil
	}
	schema, err := form.Parse(plan.CreateSchema)
	if err != nil {
		return nil, fmt.Errorf("%s: plans/%s/%s: %w", a.Name(), plan.Dir, addon.CreateSchema, err)
	}
	problems, err := schema.Check(parameters)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, &ParameterError{Addon: a.Name(), Plan: plan.Meta.Name, Problems: problems}
	}
	var secrets []secret.Text
	for _, path := range schema.Secrets() {
		var value any = parameters
		for _, name := range path {
			below, _ := value.(map[string]any)
			value = below[name]
		}
		if text, ok := value.(string); ok && text != "" {
			secrets = append(secrets, secret.New(text))
		}
	}
	return secrets, nil
}

// ReleaseName is the name that Helm Broker gives to a release. An empty instance ID means a new one.
func ReleaseName(addonName, planName, instanceID string) (string, error) {
	if instanceID == "" {
		instanceID = uuid.NewString()
	}
	if _, err := uuid.Parse(instanceID); err != nil || len(instanceID) != len(uuid.Nil.String()) {
		return "", fmt.Errorf("instance ID %q is no UUID; give one such as %s, or none", instanceID, uuid.Nil)
	}
	name := "hb-" + first(addonName, 6) + "-" + first(planName, 6) + "-" + instanceID
	return name, nil
}

func first(s string, n int) string { return s[:min(len(s), n)] }

// Install installs the release in a cluster and waits until everything is ready. A release that is there
// already is upgraded.
func (r *Release) Install(ctx context.Context, cluster helm.Cluster, logger *slog.Logger) (*helm.Result, error) {
	result, err := helm.NewClient(cluster, logger).Install(ctx, r.chart, helm.Install{
		Release: r.Name, Namespace: r.Namespace, Values: r.Values, Timeout: InstallTimeout, CreateNamespace: true,
	})
	if err != nil {
		return nil, errors.New(r.redactor.Redact(err.Error()))
	}
	result.Notes = r.redactor.Redact(result.Notes)
	return result, nil
}
