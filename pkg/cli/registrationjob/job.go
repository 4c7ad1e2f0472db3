package registrationjob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/detect"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// job holds the flags that the commands share, and what they make of them.
type job struct {
	getenv  func(string) string
	streams cli.Streams

	connector            string
	params               []string
	allowAddresses       []string
	backend              string
	registryURL          string
	kubeconfig           string
	instance             string
	namespace            string
	credentialsNamespace string
	gatewayURL           string
	publishURL           string
	subscriptionVersion  string
	eventPrefix          string
	output               string
	timeout              time.Duration
	parallel             int
	statusConfigMap      string
	stateSecret          string
	generatedSecret      string
	credentialsSecret    string
	callbackURL          string
	webhookGrace         time.Duration
	webhookWait          time.Duration
	started              time.Time
	terminationLog       string
	verbose              bool

	guard      *httpclient.Guard
	definition *connector.Definition
	redact     *secret.Redactor
	log        *slog.Logger
}

// The values of --output.
const outputText, outputJSON = "text", "json"

// defaultTimeout bounds a whole run.
const defaultTimeout = 5 * time.Minute

// baseFlags are those of every command.
func (j *job) baseFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&j.connector, "connector", "", "connector definition, a `file`")
	f.StringVar(&j.kubeconfig, "kubeconfig", "", "kubeconfig `file`; default $KUBECONFIG, else the cluster that this runs in")
	f.StringVar(&j.namespace, "namespace", "", "`namespace` of the installation; default that of the pod or of the kubeconfig")
	f.StringVar(&j.output, "output", outputText, "`format` of the result: text or json")
	f.DurationVar(&j.timeout, "timeout", defaultTimeout, "`time` for the whole run")
	f.StringVar(&j.terminationLog, "termination-log", "", "`file` for the short form of the result, such as /dev/termination-log")
	f.BoolVar(&j.verbose, "verbose", false, "say more on the way")
	_ = cmd.MarkFlagRequired("connector")
}

// kymaFlags are those of the commands that read or write registrations.
func (j *job) kymaFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&j.params, "params", nil, "`place` of parameters: a directory with a file for each one, or a YAML file; repeatable, later places win")
	f.StringArrayVar(&j.allowAddresses, "allow-address", nil, httpclient.AllowUsage)
	f.StringVar(&j.backend, "backend", detect.Auto, "where to register: "+strings.Join(backends, ", "))
	f.StringVar(&j.registryURL, "registry-url", "", "`URL` of the Application Registry up to /v1/metadata; default the one in the cluster")
	f.StringVar(&j.instance, "instance", "", "`name` of this installation, which owns what it registers; default the definition's name")
	f.StringVar(&j.credentialsNamespace, "credentials-namespace", "", "`namespace` in which Kyma's gateway reads credentials; default detected")
	f.StringVar(&j.gatewayURL, "gateway-url", "", "`URL` of Kyma's central gateway, without path; default detected")
	f.StringVar(&j.publishURL, "publish-url", "", "`URL` at which events are published; default detected")
	f.StringVar(&j.subscriptionVersion, "subscription-version", "", "`version` of the cluster's Subscriptions: "+strings.Join(detect.SubscriptionVersions(), ", ")+"; default detected")
	f.StringVar(&j.eventPrefix, "event-prefix", "", "what prefixed event types `begin` with; default detected, else sap.kyma.custom")
	f.StringVar(&j.statusConfigMap, "status-configmap", "", "`name` of the ConfigMap that keeps the report")
	f.StringVar(&j.stateSecret, "state-secret", "", "`name` of the Secret that keeps digests of credentials; without it, services with credentials are written each time")
	f.StringVar(&j.callbackURL, "callback-url", "", "public `URL` of the event gateway, without path; webhooks at the system call it")
	f.StringVar(&j.generatedSecret, "generated-secret", "", "`name` of the Secret with generated parameters")
}

// reportFlags are those of the commands that tell people what to do next.
func (j *job) reportFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&j.credentialsSecret, "credentials-secret", "", "`name` of the Secret with the secret parameters that the operator gave")
	f.DurationVar(&j.webhookGrace, "webhook-grace", -1, "`time` for which nobody wants the events of a webhook before it is removed; default the definition's (-1s)")
	f.IntVar(&j.parallel, "parallel", registration.DefaultParallel, "`number` of calls to the system at the same time")
}

// run wraps a command: it checks the shared flags, loads the definition, bounds the time, and tells the
// Pod's termination log about an error.
func (j *job) run(body func(ctx context.Context) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeoutCause(cmd.Context(), j.timeout, fmt.Errorf("the time for the whole run (--timeout %s) is over", j.timeout))
		defer cancel()
		j.started = time.Now()
		j.setRedactor(&secret.Redactor{})
		err := j.check()
		if err == nil {
			err = j.load()
		}
		if err != nil {
			err = cli.Config(err)
		} else {
			err = body(ctx)
		}
		if err == nil {
			return nil
		}
		return j.fail(err)
	}
}

// fail redacts an error and leaves it in the termination log.
func (j *job) fail(err error) error {
	var exit *cli.ExitError
	if !errors.As(err, &exit) {
		exit = &cli.ExitError{Code: codeOf(err), Err: err}
	}
	if exit.Err == nil {
		return exit
	}
	text := j.redact.Redact(exit.Err.Error())
	j.terminate(text)
	return &cli.ExitError{Code: exit.Code, Err: errors.New(text)}
}

// codeOf is the exit code of an error that has none of its own.
func codeOf(err error) int {
	var config *registration.ConfigError
	if errors.As(err, &config) {
		return cli.ExitConfig
	}
	return cli.ExitRetry
}

func (j *job) check() error {
	if j.output != outputText && j.output != outputJSON {
		return fmt.Errorf("--output is %q: want text or json", j.output)
	}
	if j.timeout <= 0 {
		return fmt.Errorf("--timeout is %s: want a time greater than zero", j.timeout)
	}
	if j.webhookWait < 0 {
		return fmt.Errorf("--webhook-wait is %s: want a time, or 0", j.webhookWait)
	}
	if j.backend != "" && !slices.Contains(backends, j.backend) {
		return fmt.Errorf("--backend is %q: want one of %s", j.backend, strings.Join(backends, ", "))
	}
	if j.subscriptionVersion != "" && !slices.Contains(detect.SubscriptionVersions(), j.subscriptionVersion) {
		return fmt.Errorf("--subscription-version is %q: want one of %s", j.subscriptionVersion, strings.Join(detect.SubscriptionVersions(), ", "))
	}
	if err := errors.Join(checkAddress("--gateway-url", j.gatewayURL), checkAddress("--publish-url", j.publishURL)); err != nil {
		return err
	}
	var err error
	if j.guard, err = httpclient.NewGuard(j.allowAddresses, j.getenv); err != nil {
		return fmt.Errorf("--allow-address: %w", err)
	}
	return checkCallback(j.callbackURL)
}

// checkAddress looks at the address of a part of Kyma or of this installation.
func checkAddress(flag, address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("%s: want an address such as http://host:8080, without credentials and query", flag)
	}
	return nil
}

// checkCallback looks at --callback-url, which people copy into the system. The value is not repeated:
// credentials may be in it.
func checkCallback(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
		u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("--callback-url: want the gateway's address alone, without credentials, path and query, such as https://gateway.example.com")
	}
	return nil
}

// load reads the definition.
func (j *job) load() error {
	dir, name := filepath.Split(j.connector)
	if dir == "" {
		dir = "."
	}
	definition, err := connector.LoadFile(os.DirFS(dir), name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("--connector %s: %w; give the path of a connector.yaml", j.connector, err)
	case err != nil:
		return err
	}
	j.definition = definition
	if j.instance == "" {
		j.instance = definition.Metadata.Name
	}
	return nil
}

// readParams reads the parameters, and takes their secrets out of everything that is printed from now on.
func (j *job) readParams() (*connector.Params, error) {
	params, err := j.definition.ReadParams(j.params...)
	if err != nil {
		return nil, cli.Config(err)
	}
	j.setRedactor(secret.NewRedactor(params.Secrets()...))
	return params, nil
}

func (j *job) setRedactor(r *secret.Redactor) {
	level := slog.LevelInfo
	if j.verbose {
		level = slog.LevelDebug
	}
	j.redact = r
	j.log = slog.New(slog.NewTextHandler(r.Writer(j.streams.Err), &slog.HandlerOptions{Level: level}))
}

// newHTTP is the client for calls to the system, and to addresses that it names.
func (j *job) newHTTP() *httpclient.Client {
	return httpclient.New(httpclient.Options{Timeout: 20 * time.Second, Guard: j.guard, UserAgent: userAgent()})
}

// newClusterHTTP is the client for calls to Kyma's own parts.
func (j *job) newClusterHTTP() *httpclient.Client {
	return httpclient.New(httpclient.Options{Timeout: 15 * time.Second, Retry: httpclient.Retry{Attempts: 2}, UserAgent: userAgent()})
}

func userAgent() string { return "kyma-connectors/" + cli.Version() }

// result is a report that can be put out in all its forms.
type result interface {
	WriteText(w io.Writer) error
	WriteJSON(w io.Writer) error
	TerminationMessage() string
	Status() (map[string]string, error)
}

// print writes the report to the result stream and to the termination log.
func (j *job) print(r result) error {
	j.terminate(r.TerminationMessage())
	if j.output == outputJSON {
		return r.WriteJSON(j.streams.Out)
	}
	return r.WriteText(j.streams.Out)
}

// terminate leaves a message for Kubernetes. It is a courtesy: what fails here fails nothing else.
func (j *job) terminate(message string) {
	if j.terminationLog == "" {
		return
	}
	if err := os.WriteFile(j.terminationLog, []byte(message), 0o644); err != nil {
		j.log.Warn("the termination log cannot be written", "error", err)
	}
}

// lookAtStatus reads the status ConfigMap in the background.
func (j *job) lookAtStatus(ctx context.Context, client *kube.Client) <-chan kube.Known {
	known := make(chan kube.Known, 1)
	if j.statusConfigMap == "" || client == nil {
		close(known)
		return known
	}
	go func() { known <- client.Look(ctx, kube.ConfigMap(j.namespace, j.statusConfigMap)) }()
	return known
}

// keepStatus writes the report to the status ConfigMap, even when the run's time is over.
func (j *job) keepStatus(ctx context.Context, client *kube.Client, known kube.Known, r result) {
	if j.statusConfigMap == "" || client == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	data, err := r.Status()
	if err == nil {
		err = client.WriteConfigMap(ctx, kube.ConfigMap(j.namespace, j.statusConfigMap), known, data, j.labels())
	}
	if err != nil {
		j.log.Warn("the report cannot be kept", "configmap", j.namespace+"/"+j.statusConfigMap, "error", err)
	}
}

// labels are those of objects that this program makes beside the release.
func (j *job) labels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/managed-by": "kyma-connectors",
		registration.LabelConnector:    j.definition.Metadata.Name,
	}
}
