package helm

import (
	"errors"
	"fmt"
	"path"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm/engine"
)

// bindTemplate is what the broker calls a plan's bind.yaml while it renders it.
const bindTemplate = "bindTmpl"

// Bind renders a plan's bind.yaml as Helm Broker does when a binding is asked for. That is less than Render: the
// chart learns nothing of the cluster (no Kubernetes version, no API versions), its dependencies are taken
// as they lie there (no conditions, tags, aliases and import-values), and all its templates are rendered along
// with the one that is asked for. The request's Capabilities are not used.
func (c *Chart) Bind(template []byte, r Request) (string, error) {
	work, values := clone(c.chart), engine.Copy(r.Values)
	if values == nil {
		values = map[string]any{}
	}
	work.Templates = append(append([]*chart.File{}, work.Templates...), &chart.File{Name: bindTemplate, Data: template})
	options := chartutil.ReleaseOptions{Name: r.Release, Namespace: r.Namespace, IsInstall: true}
	top, err := chartutil.ToRenderValuesWithSchemaValidation(work, values, options, &chartutil.Capabilities{}, true)
	if err != nil {
		return "", err
	}
	files, err := helmengine.Render(work, top)
	if err != nil {
		return "", fmt.Errorf("as the broker renders for a binding, without the cluster's versions and with dependencies as they are: %w", err)
	}
	rendered, found := files[path.Join(work.Name(), bindTemplate)]
	if !found {
		return "", errors.New("the broker renders nothing: the chart is a library")
	}
	return rendered, nil
}
