// Package charts renders charts for the linter with the Helm SDK.
package charts

import (
	"errors"
	"fmt"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/objects"
)

// Loader implements lint.ChartLoader.
type Loader struct{ helm *helm.Loader }

// NewLoader makes a Loader.
func NewLoader() *Loader { return &Loader{helm: helm.NewLoader()} }

// Load implements lint.ChartLoader.
func (l *Loader) Load(tree addon.Tree) (lint.Chart, error) {
	c, err := l.helm.Load(tree.All())
	if err != nil {
		return nil, err
	}
	return chart{c}, nil
}

type chart struct{ *helm.Chart }

// Render implements lint.Chart.
func (c chart) Render(r lint.RenderRequest) ([]lint.Manifest, error) {
	rendered, err := c.Chart.Render(helm.Request{
		Release: r.Release, Namespace: r.Namespace, Values: r.Values,
		Capabilities: helm.Capabilities{KubeVersion: r.KubeVersion, APIVersions: r.APIVersions},
	})
	if errors.Is(err, helm.ErrValues) {
		return nil, fmt.Errorf("%w: %w", lint.ErrValues, err)
	}
	if err != nil {
		return nil, err
	}
	var out []lint.Manifest
	for _, m := range rendered.Manifests {
		out = append(out, manifest(m))
	}
	for _, h := range rendered.Hooks {
		out = append(out, manifest(h.Manifest))
	}
	return out, nil
}

// Bind implements lint.Chart.
func (c chart) Bind(template []byte, r lint.RenderRequest) (string, error) {
	return c.Chart.Bind(template, helm.Request{Release: r.Release, Namespace: r.Namespace, Values: r.Values})
}

func manifest(m helm.Manifest) lint.Manifest {
	return lint.Manifest{Source: m.Source, Kind: m.Kind, Name: m.Name, Content: m.Content, Object: m.Object}
}

// Options are those of a run with everything that can judge a chart.
func Options() lint.Options {
	return lint.Options{Charts: NewLoader(), HelmLint: helmLint, Kubernetes: objects.New()}
}

// helmLint runs Helm's own linter.
func helmLint(c lint.Chart, name string, tree addon.Tree, values map[string]any) ([]string, error) {
	if loaded, ok := c.(chart); ok {
		return loaded.Lint(name, tree.All(), values)
	}
	return helm.Lint(name, tree.All(), values)
}
