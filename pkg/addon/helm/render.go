package helm

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// DefaultKubeVersion is the Kubernetes version that charts are rendered for where none is named.
const DefaultKubeVersion = "1.33.0"

// Capabilities are what a chart learns of the cluster.
type Capabilities struct {
	// KubeVersion is the version of Kubernetes, such as 1.33.0; empty means DefaultKubeVersion.
	KubeVersion string
	// APIVersions come on top of those of Kubernetes itself, such as gateway.kyma-project.io/v2/APIRule.
	APIVersions []string
}

// Request says how a chart is rendered.
type Request struct {
	Release   string
	Namespace string
	// Values override the chart's own.
	Values       map[string]any
	Capabilities Capabilities
}

// Manifest is one rendered object.
type Manifest struct {
	// Source is the template that it comes from.
	Source     string
	APIVersion string
	Kind       string
	Name       string
	// Content is the YAML document, shared by all that are equal: nobody changes it.
	Content []byte
	// Object is what it says, as JSON has it, and shared, too. It is nil where the document says a key twice, or a
	// number that a float64 does not have.
	Object any
}

// Hook is an object that Helm makes at certain moments and waits for.
type Hook struct {
	Manifest
	// Events are the moments: pre-install, post-install, pre-delete, test, …
	Events []string
	// Weight orders the hooks of one event, lowest first.
	Weight int
	// DeletePolicies say when the object is removed again; before-hook-creation where the chart is silent.
	DeletePolicies []string
}

// Rendered is a rendered chart. Manifests are in the order in which Helm installs them.
type Rendered struct {
	Manifests []Manifest
	Hooks     []Hook
	Notes     string
}

// ErrValues means that the values do not fit the chart's own schema.
var ErrValues = errors.New("the values do not fit the chart's values.schema.json")

// Render renders the chart without a cluster. Equal requests give equal results.
func (c *Chart) Render(r Request) (*Rendered, error) {
	if err := chartutil.ValidateReleaseName(r.Release); err != nil {
		return nil, fmt.Errorf("release name %q: %w; want at most 53 lower-case letters, digits and -", r.Release, err)
	}
	capabilities, err := r.Capabilities.resolve()
	if err != nil {
		return nil, err
	}
	v, err := c.with(r.Values)
	if err != nil {
		return nil, err
	}
	if want := c.chart.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, capabilities.KubeVersion.Version) {
		return nil, fmt.Errorf("the chart wants Kubernetes %s, this is %s", want, capabilities.KubeVersion.Version)
	}
	if v.err != nil {
		return nil, v.err
	}
	work := v.chart
	files, err := v.render(chartutil.ReleaseOptions{Name: r.Release, Namespace: r.Namespace, Revision: 1, IsInstall: true}, capabilities, false)
	if err != nil {
		return nil, err
	}
	out := &Rendered{}
	for name, content := range files {
		if path.Base(name) == "NOTES.txt" {
			if name == path.Join(work.Name(), "templates", "NOTES.txt") {
				out.Notes = content
			}
			delete(files, name)
		}
	}
	hooks, manifests, err := c.heads.sort(files)
	if err != nil {
		return nil, err
	}
	out.Manifests, out.Hooks = append(crds(work), manifests...), hooks
	return out, nil
}

func (c Capabilities) resolve() (*chartutil.Capabilities, error) {
	version := c.KubeVersion
	if version == "" {
		version = DefaultKubeVersion
	}
	parsed, err := chartutil.ParseKubeVersion(version)
	if err != nil {
		return nil, fmt.Errorf("kubernetes version %q: want one such as %s", version, DefaultKubeVersion)
	}
	out := chartutil.DefaultCapabilities.Copy()
	out.KubeVersion = *parsed
	out.APIVersions = append(slices.Clone(out.APIVersions), c.APIVersions...)
	return out, nil
}

func crds(c *chart.Chart) []Manifest {
	var out []Manifest
	for _, crd := range c.CRDObjects() {
		out = append(out, Manifest{Source: crd.Filename, APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition", Name: crd.Name, Content: crd.File.Data})
	}
	return out
}
