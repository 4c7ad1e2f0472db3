package addonctl

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/scaffold"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

func newNew(c *Context) *cobra.Command {
	o := scaffold.Options{}
	cmd := &cobra.Command{
		Use:   "new SYSTEM",
		Short: "Make a connector for another system",
		Long: `Make SYSTEM-connector: the add-on with its plans, forms and documents, the chart with definition, API document,
event catalog and samples, and the system's page in docs/systems. It lints clean and can be tried at once: it
connects a made-up system with an API key in a header and a signed JSON webhook. docs/adding-a-system.md goes
through what to change for a real one.

Outside of a repository (a directory upward that holds addons/), one is started in the current directory, or in
the one of --repo, which must exist: the library chart comes along. Nothing that is there is overwritten, and
where something is refused, nothing is written.

Exit code 0: it is made. 2: the name or a flag is wrong, or something is in the way.`,
		Example: `  addonctl new acme
  addonctl new acme-crm --title "Acme CRM" --url https://crm.acme.com --events contact.created,contact.merged
  addonctl new acme --repo ~/my-addons --output json`,
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&o.Title, "title", "", "what people call the system; default: the name with capitals")
	f.StringVar(&o.URL, "url", "", "the example of the system's address; default: https://SYSTEM.example.com")
	f.StringSliceVar(&o.Events, "events", nil, "the system's event types, of two or more parts each; default: order.created,order.cancelled")
	output := outputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		o.System = args[0]
		if system := strings.TrimSuffix(o.System, scaffold.Suffix); slices.Contains(simulator.Systems(), system) {
			return cli.Config(fmt.Errorf("%s is a system that try simulates as it really is, not as a new connector would have it; choose another name, such as my-%s", system, system))
		}
		dir, started, err := c.repositoryOrNew()
		if err != nil {
			return cli.Config(err)
		}
		made, err := scaffold.Write(dir, o)
		if err != nil {
			return cli.Config(err)
		}
		result := newResult{
			Name: made.Key, Addon: addon.AddonsDir + "/" + made.Addon, Repository: dir, Started: started, Library: made.Library, Files: made.Files,
			Next: []string{"addonctl lint", "addonctl try " + made.Key + " --once"},
		}
		if dir != "." {
			for i := range result.Next {
				result.Next[i] += " --repo " + dir
			}
		}
		return c.print(*output, result, result.text)
	}
	return cmd
}

// repositoryOrNew is the repository to write to: that of --repo or the nearest one upward. Where there is none, it is
// the directory in which one is started.
func (c *Context) repositoryOrNew() (dir string, started bool, err error) {
	at := c.repo
	if at == "" {
		if repo, err := addon.FindRepository("."); err == nil {
			if here, err := os.Getwd(); err == nil && here == repo.Dir() {
				return ".", false, nil
			}
			return repo.Dir(), false, nil
		}
		at = "."
	}
	info, err := os.Stat(at)
	if err != nil || !info.IsDir() {
		return "", false, fmt.Errorf("--repo %s is no directory; make it first", at)
	}
	_, err = addon.OpenRepository(at)
	return at, err != nil, nil
}

type newResult struct {
	Name string `json:"name"`
	// Addon is the directory of the add-on, in the repository.
	Addon      string `json:"addon"`
	Repository string `json:"repository"`
	// Started says that there was no repository before, Library that the library chart came along.
	Started bool     `json:"started"`
	Library bool     `json:"library"`
	Files   []string `json:"files"`
	Next    []string `json:"next"`
}

func (r newResult) text(w io.Writer) error {
	var b strings.Builder
	if r.Started {
		fmt.Fprintf(&b, "started a repository of add-ons in %s\n", r.Repository)
	}
	if r.Library {
		b.WriteString("brought the library chart, charts/common\n")
	}
	fmt.Fprintf(&b, "made %s: %s\n", r.Name, count(len(r.Files), "file"))
	system := strings.TrimSuffix(r.Name, scaffold.Suffix)
	for _, line := range []struct{ where, what string }{
		{"charts/" + r.Name + "/files/connector.yaml", "the definition: parameters, API, webhook"},
		{"charts/" + r.Name + "/files/apis/" + system + ".json", "the OpenAPI document"},
		{"charts/" + r.Name + "/files/events/asyncapi.yaml", "the event catalog"},
		{"charts/" + r.Name + "/samples/", "recorded deliveries and what must become of them"},
		{r.Addon + "/", "what the Service Catalog shows: meta, plans, documents"},
		{"docs/systems/" + system + ".md", "the page for those who install it"},
	} {
		fmt.Fprintf(&b, "  %-52s %s\n", line.where, line.what)
	}
	b.WriteString("next:\n")
	for _, next := range r.Next {
		fmt.Fprintf(&b, "  %s\n", next)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
