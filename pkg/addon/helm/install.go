package helm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm/engine"
)

// Cluster says which cluster to install in.
type Cluster struct {
	// Kubeconfig is a file; empty means $KUBECONFIG, then ~/.kube/config.
	Kubeconfig string
	// Context is one of the kubeconfig; empty means the current one.
	Context string
}

// Install says how a chart is installed.
type Install struct {
	Release   string
	Namespace string
	Values    map[string]any
	// Timeout bounds the wait until everything is ready, hooks included.
	Timeout time.Duration
	// CreateNamespace makes the namespace where it does not exist.
	CreateNamespace bool
}

// Result is what an installation came to.
type Result struct {
	Release   string
	Namespace string
	Revision  int
	// Upgraded says that the release was there before.
	Upgraded bool
	Notes    string
}

// Client installs charts in one cluster.
type Client struct {
	// configure makes Helm's configuration for a namespace.
	configure func(namespace string) (*action.Configuration, error)
}

// NewClient makes a client of a cluster. It does not call the cluster yet.
func NewClient(cluster Cluster, logger *slog.Logger) *Client {
	return &Client{configure: func(namespace string) (*action.Configuration, error) {
		flags := genericclioptions.NewConfigFlags(true)
		if cluster.Kubeconfig != "" {
			flags.KubeConfig = &cluster.Kubeconfig
		}
		if cluster.Context != "" {
			flags.Context = &cluster.Context
		}
		flags.Namespace = &namespace
		config := &action.Configuration{}
		err := config.Init(flags, namespace, "secret", func(format string, v ...any) {
			logger.Debug("helm", "message", fmt.Sprintf(format, v...))
		})
		return config, err
	}}
}

// Install installs the chart, or upgrades the release where there is one, and waits until everything is
// ready, as Helm Broker does.
func (c *Client) Install(ctx context.Context, chart *Chart, in Install) (*Result, error) {
	config, err := c.configure(in.Namespace)
	if err != nil {
		return nil, err
	}
	exists, err := deployed(config, in.Release)
	if err != nil {
		return nil, err
	}
	var made *release.Release
	if exists {
		upgrade := action.NewUpgrade(config)
		upgrade.Namespace, upgrade.Timeout, upgrade.Wait = in.Namespace, in.Timeout, true
		upgrade.ResetValues = true
		made, err = upgrade.RunWithContext(ctx, in.Release, clone(chart.chart), engine.Copy(in.Values))
	} else {
		install := action.NewInstall(config)
		install.ReleaseName, install.Namespace, install.Timeout, install.Wait = in.Release, in.Namespace, in.Timeout, true
		install.CreateNamespace = in.CreateNamespace
		made, err = install.RunWithContext(ctx, clone(chart.chart), engine.Copy(in.Values))
	}
	if err != nil {
		return nil, fmt.Errorf("release %s in namespace %s: %w", in.Release, in.Namespace, err)
	}
	return &Result{Release: made.Name, Namespace: made.Namespace, Revision: made.Version, Upgraded: exists, Notes: made.Info.Notes}, nil
}

func deployed(config *action.Configuration, name string) (bool, error) {
	history := action.NewHistory(config)
	history.Max = 1
	_, err := history.Run(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return false, nil
	}
	return err == nil, err
}
