package addonctl

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/source"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

func newConfig(c *Context) *cobra.Command {
	r := source.Request{}
	cmd := &cobra.Command{
		Use:   "config URL...",
		Short: "Print the resource that makes Helm Broker read a repository",
		Long: `Print the resource that makes Helm Broker read repositories: a ClusterAddonsConfiguration, or with --namespace an
AddonsConfiguration for that namespace. The address of an index has one of these forms:

  https://HOST/PATH/index.yaml                              archives beside the index (addonctl build, serve)
  git::https://HOST/REPO.git//addons/index.yaml?ref=main    ref is a branch, a tag or a commit; depth=1 clones less
  git::ssh://git@HOST/REPO.git//addons/index.yaml?sshkey={key}
  github.com/OWNER/REPO//addons/index.yaml                  the same as git::https://github.com/…
  hg::https://HOST/REPO//addons/index.yaml?rev=default
  s3::https://s3-REGION.amazonaws.com/BUCKET/addons//index.yaml?aws_access_key_id={id}&aws_access_key_secret={secret}

Credentials stay in a Secret: write {KEY} where the value of its key belongs, and name the Secret with --secret. An
address with a credential in clear text is refused. sshkey is the private key in base64.

One add-on that cannot be loaded is enough for the broker to refuse the whole resource, so give every repository
a resource of its own; addonctl doctor tells beforehand.`,
		Example: `  addonctl config git::https://github.com/acme/addons.git//addons/index.yaml?ref=main | kubectl apply -f -
  addonctl config https://addons.example.com/index.yaml --name acme --namespace shop
  addonctl config 'https://{username}:{password}@addons.example.com/index.yaml' --secret addons --secret-namespace kyma-system`,
		Args: cobra.MinimumNArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&r.Name, "name", "", "name of the resource; default: made of the first address")
	f.StringVar(&r.Namespace, "namespace", "", "namespace: an AddonsConfiguration for it alone; default: one for the whole cluster")
	f.StringVar(&r.Secret.Name, "secret", "", "Secret with the keys that the addresses name in braces")
	f.StringVar(&r.Secret.Namespace, "secret-namespace", "", "namespace of the Secret; default: that of the resource")
	f.Int64Var(&r.Reprocess, "reprocess", 0, "spec.reprocessRequest: raise it to have the repositories read again, which nothing else does")
	output := outputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if r.Reprocess < 0 {
			return cli.Config(errors.New("--reprocess must not be negative"))
		}
		for _, address := range args {
			l, err := source.Parse(address)
			if err != nil {
				return cli.Config(fmt.Errorf("address %d: %w", len(r.Locations)+1, err))
			}
			if l.Getter == source.HTTP {
				fmt.Fprintf(c.Streams.Err, "note: %s: Helm Broker reads http addresses only in its development mode\n", l.Shown())
			}
			r.Locations = append(r.Locations, l)
		}
		if r.Name == "" {
			r.Name = r.Locations[0].DefaultName()
		}
		resource, err := source.NewResource(r)
		if err != nil {
			return cli.Config(err)
		}
		return c.print(*output, resource, func(w io.Writer) error {
			data, err := yaml.Marshal(resource)
			if err != nil {
				return err
			}
			_, err = w.Write(data)
			return err
		})
	}
	return cmd
}
