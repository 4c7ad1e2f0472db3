package addonctl

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// sendTimeout bounds one delivery.
const sendTimeout = 30 * time.Second

type sendOptions struct {
	addon, sample string
	file          string
	url           string
	params        []string
}

// NewSend makes the command that sends sample deliveries to a gateway.
func NewSend(c *Context) *cobra.Command {
	o := &sendOptions{}
	cmd := &cobra.Command{
		Use:   "send ADDON [SAMPLE]",
		Short: "Send sample deliveries to a gateway",
		Long: `Send one sample delivery of an add-on, or all of them in order, to any gateway. A sample that proves its
sender under the samples' own parameters is signed again with those of --params; one that is wrong on
purpose stays wrong. Values come from files only, never from the command line. Messages by MQTT go to
--url, too, under the hosts that the definition makes of the parameters.

Exit code 0: each answer is the one that the sample wants (with --file: any 2xx). 1: one is not.`,
		Example: `  addonctl send acme-connector --url https://try-webhook.example.com --params params.yaml
  addonctl send acme-connector order-created --url http://127.0.0.1:8080 --params /etc/connector/params/secret`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.addon = args[0]
			if len(args) == 2 {
				o.sample = args[1]
			}
			return o.run(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&o.url, "url", "", "the gateway, without the delivery's path")
	cmd.Flags().StringVar(&o.file, "file", "", "send this recorded request instead of a sample")
	cmd.Flags().StringArrayVar(&o.params, "params", nil, "YAML file, or directory with one file per parameter, to sign with; repeatable, later ones win")
	_ = cmd.MarkFlagRequired("url") // fails only for a flag that is not there
	return cmd
}

func (o *sendOptions) run(ctx context.Context, c *Context) error {
	samples, definition, from, to, err := o.prepare(c)
	if err != nil {
		return cli.Config(err)
	}
	client := &http.Client{
		Timeout:       sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	wrong := 0
	for _, s := range samples {
		request, _, err := sample.Sign(definition, s.Request, from, to, time.Now())
		if err != nil {
			return cli.Config(fmt.Errorf("sample %s: %w", s.Name, err))
		}
		answer, err := o.deliver(ctx, client, definition, to, request)
		if err != nil {
			return fmt.Errorf("sample %s: %w", s.Name, err)
		}
		verdict := "as expected"
		if !expected(s, answer) {
			wrong++
			verdict = fmt.Sprintf("want %d, %s", s.Golden.Status, s.Golden.Outcome)
			if s.Golden.Outcome == "" {
				verdict = "want 2xx"
			}
		}
		if _, err := fmt.Fprintf(c.Streams.Out, "%s: %d (%s) %s\n", s.Name, answer.Status, verdict, strings.TrimSpace(answer.Body)); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d answers are not as expected", wrong, len(samples))
	}
	return nil
}

func expected(s sample.Sample, answer sample.Answer) bool {
	if s.Golden.Outcome == "" {
		return answer.Status >= 200 && answer.Status < 300
	}
	// How the gateway keeps deliveries cannot be seen from here, so that either status is right.
	return answer.Status == s.Golden.Status || answer.Status == s.Golden.StatusUnstored
}

func (o *sendOptions) prepare(c *Context) (samples []sample.Sample, d *connector.Definition, from, to *connector.Params, err error) {
	if target, err := url.Parse(o.url); err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" || target.User != nil {
		return nil, nil, nil, nil, fmt.Errorf("--url: want http(s)://host, without credentials")
	}
	a, err := c.Addon(o.addon)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	if d, err = a.Definition(); err != nil {
		return nil, nil, nil, nil, err
	}
	values, err := sample.Params(a.Samples().FS())
	if err != nil {
		return nil, nil, nil, nil, err
	}
	if from, err = d.ResolveParams(values); err != nil {
		return nil, nil, nil, nil, fmt.Errorf("%s of the samples: %w", sample.ParamsFile, err)
	}
	own, err := d.ReadValues(o.params...)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	maps.Copy(values, own)
	if to, err = d.ResolveParams(values); err != nil {
		return nil, nil, nil, nil, err
	}
	if o.file != "" {
		s, err := recorded(o.file, o.sample)
		return []sample.Sample{s}, d, from, to, err
	}
	if samples, err = sample.Load(a.Samples().FS()); err != nil {
		return nil, nil, nil, nil, err
	}
	if o.sample == "" {
		return samples, d, from, to, nil
	}
	i := slices.IndexFunc(samples, func(s sample.Sample) bool { return s.Name == o.sample })
	if i < 0 {
		var names []string
		for _, s := range samples {
			names = append(names, s.Name)
		}
		return nil, nil, nil, nil, fmt.Errorf("%s has no sample %q: choose one of %s", o.addon, o.sample, strings.Join(names, ", "))
	}
	return samples[i : i+1], d, from, to, nil
}

func recorded(file, name string) (sample.Sample, error) {
	if name != "" {
		return sample.Sample{}, fmt.Errorf("give a sample or --file, not both")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return sample.Sample{}, err
	}
	request, err := sample.Parse(data)
	if err != nil {
		return sample.Sample{}, fmt.Errorf("%s: %w", file, err)
	}
	return sample.Sample{Name: file, Request: request}, nil
}
