package addonctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// tryRelease and tryNamespace name what is installed in the sandbox.
const (
	tryRelease   = "try"
	tryNamespace = "sandbox"
)

type tryOptions struct {
	addon  string
	plan   string
	params string
	kyma   string
	output *format
	binDir string
	once   bool
	keep   bool
	rights string
}

// NewTry makes the command that runs an add-on on this machine.
func NewTry(c *Context) *cobra.Command {
	o := &tryOptions{}
	cmd := &cobra.Command{
		Use:   "try ADDON",
		Short: "Run an add-on on this machine against a simulated Kyma and system",
		Long: `Package an add-on, load and provision it as a broker would, and run what the plan renders on this
machine: hooks, jobs and pods as local processes, against a simulated Kyma and a simulated system. Then
register a second time, call the APIs, send every sample delivery, and remove everything again.

ADDON is an add-on's name, directory or archive. Without --once the sandbox stays up for you to play
with until you interrupt it.

Exit code 0: everything is as it should be. 1: something is not. 2: the command line or the add-on is wrong.`,
		Example: `  addonctl try acme-connector
  addonctl try acme-connector --once --output json
  addonctl try dist/acme-connector-0.1.0.tgz --plan production --kyma old --params params.yaml --once`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.addon = args[0]
			return o.run(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&o.plan, "plan", "default", "plan to provision")
	cmd.Flags().StringVar(&o.params, "params", "", "YAML file with the form's values; default: those of the samples")
	cmd.Flags().StringVar(&o.kyma, "kyma", string(simulator.Current), "Kyma to simulate: current or old")
	cmd.Flags().BoolVar(&o.once, "once", false, "check, remove and exit, instead of staying up")
	o.output = outputFlag(cmd)
	cmd.Flags().StringVar(&o.binDir, "bin-dir", "", "directory of the programs that stand for the images; default: that of addonctl")
	cmd.Flags().StringVar(&o.rights, "rights", "", "`file` for what the accounts of the release asked of the Kubernetes API, and all their roles, as JSON")
	cmd.Flags().BoolVar(&o.keep, "keep", false, "leave the temporary directory with logs and mounts behind; it holds secrets")
	return cmd
}

func (o *tryOptions) run(ctx context.Context, c *Context) error {
	// A reader who leaves (try … | head) must not end this process before it has cleaned up: with
	// somebody listening for the signal, the write fails instead.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)
	trial, err := o.trial(c)
	if err != nil {
		return cli.Config(err)
	}
	text := newTryText(c)
	if *o.output == asText {
		text.begin(trial)
		trial.Progress = text.step
	}
	if !o.once {
		trial.Stay = func(ctx context.Context, r *sandbox.Running, report *sandbox.Report) {
			if *o.output == asText {
				text.results(report)
			}
			stayText(c.Streams.Err, o.addon, r)
			<-ctx.Done()
		}
	}
	report := sandbox.Try(ctx, *trial)
	if err := o.writeRights(report); err != nil {
		return err
	}
	if err := c.print(*o.output, report, func(io.Writer) error { return text.end(report) }); err != nil {
		return err
	}
	if !report.OK {
		return &cli.ExitError{Code: cli.ExitRetry} // the report has said it
	}
	return nil
}

// writeRights leaves the record of rights where it was asked for.
func (o *tryOptions) writeRights(report *sandbox.Report) error {
	if o.rights == "" {
		return nil
	}
	data, err := json.MarshalIndent(report.Rights, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.rights, append(data, '\n'), 0o644)
}

// trial prepares everything up to the sandbox: what can be wrong here is wrong on the command line, in the
// add-on or in the parameters.
func (o *tryOptions) trial(c *Context) (*sandbox.Trial, error) {
	generation := simulator.Generation(o.kyma)
	if generation != simulator.Current && generation != simulator.Old {
		return nil, fmt.Errorf("--kyma %s: choose %s or %s", o.kyma, simulator.Current, simulator.Old)
	}
	binDir, err := o.binaries()
	if err != nil {
		return nil, err
	}
	a, err := packaged(c, o.addon)
	if err != nil {
		return nil, err
	}
	definition, err := a.Definition()
	if err != nil {
		return nil, err
	}
	samples, err := sample.Load(a.Samples().FS())
	if err != nil {
		return nil, err
	}
	relayed, err := sample.LoadRelayed(a.Samples().FS())
	if err != nil {
		return nil, err
	}
	answers, err := sample.LoadAnswers(a.Samples().FS())
	if err != nil {
		return nil, err
	}
	sampleParams, err := sample.Params(a.Samples().FS())
	if err != nil {
		return nil, err
	}
	values, err := o.values(definition, sampleParams)
	if err != nil {
		return nil, err
	}
	resolved, err := definition.ResolveParams(values, connector.WithoutGenerated())
	if err != nil {
		return nil, err
	}
	form, err := formValues(definition, values)
	if err != nil {
		return nil, err
	}
	kubeVersion, kinds := sandbox.Capabilities(generation)
	release, err := provision.Render(a, provision.Request{
		Plan: o.plan, Parameters: form, Release: tryRelease, Namespace: tryNamespace,
		Capabilities: helm.Capabilities{KubeVersion: kubeVersion, APIVersions: kinds},
	})
	if err != nil {
		return nil, err
	}
	return &sandbox.Trial{
		Options: sandbox.Options{
			Release: release, System: definition.Metadata.Name, Parameters: values, Secrets: resolved.Secrets(),
			Generation: generation, Binaries: binDir, Keep: o.keep, Log: slog.New(slog.DiscardHandler),
		},
		Addon: a.Name(), Definition: definition, Samples: samples, Relayed: relayed, SampleParams: sampleParams, Answers: answers,
	}, nil
}

func (o *tryOptions) binaries() (string, error) {
	if o.binDir != "" {
		if info, err := os.Stat(o.binDir); err != nil || !info.IsDir() {
			return "", cli.Config(fmt.Errorf("--bin-dir %s is no directory; name the one that holds the programs (make build puts them into bin)", o.binDir))
		}
		return filepath.Abs(o.binDir)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the programs beside this one: %w; name their directory with --bin-dir", err)
	}
	return filepath.Dir(self), nil
}

// values are the form's values. The samples' own are used without those that can be generated: then the
// installation makes them, as it does where a user leaves the fields empty.
func (o *tryOptions) values(d *connector.Definition, sampleParams map[string]string) (map[string]string, error) {
	if o.params != "" {
		return d.ReadValues(o.params)
	}
	values := map[string]string{}
	for name, value := range sampleParams {
		if d.Parameters[name].Generate == nil {
			values[name] = value
		}
	}
	return values, nil
}

// packaged loads the add-on as a broker gets it: from its archive.
func packaged(c *Context, ref string) (*addon.Addon, error) {
	if strings.HasSuffix(ref, addon.ArchiveSuffix) {
		return addon.LoadArchive(ref)
	}
	a, err := c.Addon(ref)
	if err != nil {
		return nil, err
	}
	archive, err := a.Pack()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "connector-archive-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, a.Name()+addon.ArchiveSuffix)
	if err = os.WriteFile(file, archive, 0o600); err == nil {
		a, err = addon.LoadArchive(file)
	}
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return nil, err
	}
	return a, nil
}

// formValues are the values as the form has them: booleans and numbers, not texts.
func formValues(d *connector.Definition, values map[string]string) (map[string]any, error) {
	out := make(map[string]any, len(values))
	for name, value := range values {
		var err error
		switch d.Parameters[name].Kind {
		case connector.KindBoolean:
			out[name], err = strconv.ParseBool(value)
		case connector.KindInteger:
			out[name], err = strconv.Atoi(value)
		default:
			out[name] = value
		}
		if err != nil {
			return nil, fmt.Errorf("parameter %q: %w", name, err)
		}
	}
	return out, nil
}
