package addonctl

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// renderFlags are those of every command that renders a plan.
type renderFlags struct {
	plan, params, release, namespace string
	kubeVersion                      string
	apiVersions                      []string
	showSecrets                      bool
}

func (f *renderFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.params, "params", "", "YAML file with the form's values; - is stdin")
	flags.StringVar(&f.namespace, "namespace", "default", "namespace of the release")
	flags.StringVar(&f.kubeVersion, "kube-version", helm.DefaultKubeVersion, "version of Kubernetes to render for")
	flags.StringSliceVar(&f.apiVersions, "api-versions", nil, "kinds that the cluster knows besides those of Kubernetes, such as gateway.kyma-project.io/v2/APIRule")
	flags.BoolVar(&f.showSecrets, "show-secrets", false, "print the values of secrets too")
}

func (f *renderFlags) capabilities() helm.Capabilities {
	return helm.Capabilities{KubeVersion: f.kubeVersion, APIVersions: f.apiVersions}
}

// parameters reads --params and turns texts into what the plan's form asks for.
func (f *renderFlags) parameters(c *Context, plan addon.Plan) (map[string]any, error) {
	parameters, err := c.readParameters(f.params)
	if err != nil {
		return nil, cli.Config(err)
	}
	if schema, err := form.Parse(plan.CreateSchema); err == nil {
		parameters = schema.Convert(parameters)
	}
	return parameters, nil
}

func newRender(c *Context) *cobra.Command {
	f := &renderFlags{}
	cmd := &cobra.Command{
		Use:   "render ADDON",
		Short: "Print what the plans of an add-on render to",
		Long: `Print what the plans of an add-on render to, as YAML documents. Without --params, the smallest parameters
that the form takes are made up. The values of secrets are left out unless --show-secrets is set.`,
		Example: `  addonctl render acme-connector
  addonctl render acme-connector --plan production --params params.yaml --kube-version 1.21.0`,
		Args: cobra.ExactArgs(1),
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.plan, "plan", "", "plan to render; default: all of them")
	cmd.Flags().StringVar(&f.release, "release", "release", "name of the release")
	output := outputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a, err := c.Addon(args[0])
		if err != nil {
			return err
		}
		plans := a.Plans
		if f.plan != "" {
			plan, err := a.Plan(f.plan)
			if err != nil {
				return cli.Config(err)
			}
			plans = []addon.Plan{*plan}
		}
		var releases []*provision.Release
		for _, plan := range plans {
			release, err := f.render(c, a, plan)
			if err != nil {
				return cli.Config(err)
			}
			releases = append(releases, release)
		}
		return c.printReleases(*output, releases, f.showSecrets)
	}
	return cmd
}

func (f *renderFlags) render(c *Context, a *addon.Addon, plan addon.Plan) (*provision.Release, error) {
	parameters, err := sampleParameters(a, plan)
	if f.params != "" {
		parameters, err = f.parameters(c, plan)
	}
	if err != nil {
		return nil, err
	}
	return provision.Render(a, provision.Request{
		Plan: plan.Meta.Name, Parameters: parameters, Release: f.release, Namespace: f.namespace, Capabilities: f.capabilities(),
	})
}

// renderedRelease is a release as JSON.
type renderedRelease struct {
	Plan      string           `json:"plan"`
	Release   string           `json:"release"`
	Namespace string           `json:"namespace"`
	Objects   []map[string]any `json:"objects"`
}

// printReleases prints rendered plans, one after the other.
func (c *Context) printReleases(f format, releases []*provision.Release, showSecrets bool) error {
	if f == asText {
		for _, r := range releases {
			if len(releases) > 1 {
				fmt.Fprintf(c.Streams.Out, "# Plan: %s\n", r.Plan)
			}
			if err := r.Write(c.Streams.Out, showSecrets); err != nil {
				return err
			}
		}
		return nil
	}
	var result []renderedRelease
	for _, r := range releases {
		objects, err := r.Objects(showSecrets)
		if err != nil {
			return err
		}
		result = append(result, renderedRelease{r.Plan, r.Name, r.Namespace, objects})
	}
	return c.print(f, result, nil)
}

func newProvision(c *Context) *cobra.Command {
	f := &renderFlags{}
	var install bool
	var cluster helm.Cluster
	var instance, repositoryURL string
	cmd := &cobra.Command{
		Use:   "provision ADDON",
		Short: "Do what Helm Broker does with a plan and the parameters of its form",
		Long: `Do what Helm Broker does with a plan and the parameters of its form: check them, merge the values, render
the chart under the broker's release name, and print the result; or install it with --install, which waits
until everything is ready, for up to an hour. A release that is there already is upgraded, which the
broker cannot do.

Exit code 0: done. 1: the installation failed. 2: the parameters do not fit, or the chart does not render.`,
		Example: `  addonctl provision acme-connector --plan default --params params.yaml
  addonctl provision acme-connector --plan production --params params.yaml --install --namespace shop --release acme`,
		Args: cobra.ExactArgs(1),
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.plan, "plan", "default", "plan to provision")
	flags.StringVar(&f.release, "release", "", "name of the release; default: the broker's, made of add-on, plan and instance")
	flags.StringVar(&instance, "instance-id", "", "UUID of the service instance; default: a new one")
	flags.StringVar(&repositoryURL, "repository-url", "", "what the chart learns of where the add-on comes from")
	flags.BoolVar(&install, "install", false, "install in a cluster instead of printing")
	flags.StringVar(&cluster.Kubeconfig, "kubeconfig", "", "kubeconfig of the cluster; default: $KUBECONFIG, then ~/.kube/config")
	flags.StringVar(&cluster.Context, "context", "", "context of the kubeconfig; default: the current one")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a, err := c.Addon(args[0])
		if err != nil {
			return err
		}
		plan, err := a.Plan(f.plan)
		if err != nil {
			return cli.Config(err)
		}
		parameters, err := f.parameters(c, *plan)
		if err != nil {
			return err
		}
		release, err := provision.Render(a, provision.Request{
			Plan: f.plan, Parameters: parameters, Release: f.release, InstanceID: instance,
			Namespace: f.namespace, RepositoryURL: repositoryURL, Capabilities: f.capabilities(),
		})
		if err != nil {
			return cli.Config(err)
		}
		if !install {
			return c.printReleases(*output, []*provision.Release{release}, f.showSecrets)
		}
		c.progress("installing the release %s in the namespace %s; this takes until everything is ready", release.Name, release.Namespace)
		result, err := release.Install(cmd.Context(), cluster, c.logger())
		if err != nil {
			return err
		}
		installed := installedRelease{result.Release, result.Namespace, result.Revision, result.Upgraded}
		return c.print(*output, installed, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "release %s in the namespace %s is ready, revision %d\n%s", result.Release, result.Namespace, result.Revision, result.Notes)
			return err
		})
	}
	return cmd
}

type installedRelease struct {
	Release   string `json:"release"`
	Namespace string `json:"namespace"`
	Revision  int    `json:"revision"`
	Upgraded  bool   `json:"upgraded"`
}
