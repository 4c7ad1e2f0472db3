package addonctl

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/doctor"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/source"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

func newDoctor(c *Context) *cobra.Command {
	var secrets string
	options := source.Options{}
	cmd := &cobra.Command{
		Use:   "doctor URL...",
		Short: "Say what Helm Broker would make of a repository",
		Long: `Read repositories as Helm Broker does, over https, http, git, Mercurial or S3, and say what would become of a resource
(ClusterAddonsConfiguration) that names them. The broker takes all or nothing: one add-on that cannot be fetched
or loaded, or two with the same id, and none is registered, those of an earlier state are removed, and it tries
again only when it is told to. An index with a version that is none even stops its controller. What loads and
then fails users is noted too: plans that do not render, forms that lose something on their way.

Addresses are those of addonctl config. The keys of a Secret that they name in braces come from --secret: a YAML
file with a value for each key (- is stdin). What is fetched is bounded and removed again; nothing of it is run.
hg needs the program of that name, as git does; a bucket is read with the keys that its address names.

Exit code 0: all add-ons would be registered. 1: not all of them. 2: an address is wrong.`,
		Example: `  addonctl doctor https://addons.example.com/index.yaml
  addonctl doctor git::https://github.com/acme/addons.git//addons/index.yaml?ref=main --output json
  addonctl doctor 's3::https://s3-eu-west-1.amazonaws.com/acme/addons//index.yaml?aws_access_key_id={id}&aws_access_key_secret={secret}' --secret keys.yaml
  addonctl doctor 'https://{username}:{password}@addons.example.com/index.yaml' --secret credentials.yaml`,
		Args: cobra.MinimumNArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&secrets, "secret", "", "YAML file with the values for the keys in braces; - is stdin")
	f.DurationVar(&options.Timeout, "timeout", 2*time.Minute, "how long one call or one clone may take")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if options.Timeout <= 0 {
			return cli.Config(errors.New("--timeout must be longer than 0"))
		}
		locations, err := c.locations(args, secrets)
		if err != nil {
			return cli.Config(err)
		}
		c.progress("fetching")
		report, err := doctor.Examine(cmd.Context(), locations, options)
		if err != nil {
			return err
		}
		if err := c.print(*output, report, func(w io.Writer) error { return c.writeExamined(w, report) }); err != nil {
			return err
		}
		if report.Phase != doctor.Ready || report.Registered < report.Listed {
			return &cli.ExitError{Code: cli.ExitRetry}
		}
		return nil
	}
	return cmd
}

// locations are the addresses with the values of the Secret filled in.
func (c *Context) locations(addresses []string, secrets string) ([]*source.Location, error) {
	values := map[string]string{}
	if secrets != "" {
		read, err := c.readParameters(secrets)
		if err != nil {
			return nil, fmt.Errorf("--secret: %w", err)
		}
		for key, value := range read {
			text, ok := value.(string)
			if !ok {
				return nil, fmt.Errorf("--secret: %s is no text; put it in quotes", key)
			}
			values[key] = text
		}
	}
	var out []*source.Location
	for i, address := range addresses {
		l, err := source.Parse(address)
		if err == nil {
			l, err = l.Fill(values)
		}
		if err != nil {
			return nil, fmt.Errorf("address %d: %w", i+1, err)
		}
		out = append(out, l)
	}
	return out, nil
}

func (c *Context) writeExamined(w io.Writer, r *doctor.Report) error {
	var b strings.Builder
	for _, repository := range r.Repositories {
		fmt.Fprintf(&b, "%s\n", c.paint(bold, repository.URL))
		if repository.Status != doctor.Ready {
			fmt.Fprintf(&b, "  %s %s\n", c.paint(red, repository.Reason+":"), repository.Problem)
		}
		for _, a := range repository.Addons {
			if a.Status == doctor.Ready {
				fmt.Fprintf(&b, "  %s %s: %s\n", a.Key, a.Version, a.Effect)
			} else {
				fmt.Fprintf(&b, "  %s %s: %s\n    %s: %s\n", a.Key, a.Version, c.paint(red, a.Effect), a.Reason, a.Problem)
			}
			for _, note := range a.Notes {
				fmt.Fprintf(&b, "    %s %s\n", c.paint(yellow, "note:"), note)
			}
		}
		for _, note := range repository.Notes {
			fmt.Fprintf(&b, "  %s %s\n", c.paint(yellow, "note:"), note)
		}
	}
	fmt.Fprintf(&b, "%s: %s\n", r.Phase, r.Summary)
	_, err := io.WriteString(w, b.String())
	return err
}
