package registrationjob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// applyFlags are those that only apply has.
type applyFlags struct {
	policy, failOn    string
	dryRun            bool
	createApplication bool
}

func newApply(j *job) *cobra.Command {
	flags := applyFlags{}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Register the APIs and events, or bring them up to date",
		Long: `Register the APIs and events, or bring them up to date.

Asks the system which APIs it offers, compares them with what is registered, and writes the difference. Then does the
same with the webhooks at the system, where the definition has some.
A run that finds nothing new writes nothing, so it can be repeated at any time.`,
		Example: `  # what would be done
  registration-job apply --connector connector.yaml --params params.yaml --kubeconfig ~/.kube/config --dry-run

  # in a pod, with mounted parameters, for machines
  registration-job apply --connector /etc/connector/definition/connector.yaml \
    --params /etc/connector/params/generated --params /etc/connector/params/config --params /etc/connector/params/secret \
    --instance shop/acme --state-secret acme-state --status-configmap acme-status --output json`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = j.run(func(ctx context.Context) error { return j.apply(ctx, flags) })
	j.baseFlags(cmd)
	j.kymaFlags(cmd)
	j.reportFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.policy, "policy", "", "which changes are made: "+values(registration.Policies())+"; only sync deletes; default the definition's, else "+string(registration.Upsert))
	f.StringVar(&flags.failOn, "fail-on", string(registration.FailOnAny), "what fails the run: "+values(registration.FailOns())+" (any failure, only that nothing is registered, only what a repetition cannot cure)")
	f.BoolVar(&flags.dryRun, "dry-run", false, "say what would be done and write nothing")
	f.DurationVar(&j.webhookWait, "webhook-wait", 0, "`time` until running event gateways know changed keys: a webhook whose former key they take besides gets the new one only then; it does not count for --timeout")
	f.BoolVar(&flags.createApplication, "create-application", true, "create the Application where it is missing")
	return cmd
}

func (j *job) apply(ctx context.Context, flags applyFlags) error {
	policy, failOn := registration.Policy(flags.policy), registration.FailOn(flags.failOn)
	switch {
	case policy != "" && !slices.Contains(registration.Policies(), policy):
		return cli.Config(fmt.Errorf("--policy is %q: want %s", flags.policy, values(registration.Policies())))
	case !slices.Contains(registration.FailOns(), failOn):
		return cli.Config(fmt.Errorf("--fail-on is %q: want %s", flags.failOn, values(registration.FailOns())))
	}
	return j.converge(ctx, failOn, nil, func(o *registration.Options) {
		if policy != "" {
			o.Policy = policy
		}
		o.DryRun = flags.dryRun
		o.CreateApplication = flags.createApplication
	})
}

// converge runs the registration and puts its report out. With a verification, it adds what that finds out.
func (j *job) converge(ctx context.Context, failOn registration.FailOn, verification *verifyFlags, configure func(*registration.Options)) error {
	if j.parallel < 1 {
		return cli.Config(fmt.Errorf("--parallel is %d: want at least 1", j.parallel))
	}
	params, err := j.readParams()
	if err != nil {
		return err
	}
	application, err := registration.ApplicationName(j.definition, params.Input())
	if err != nil {
		return err
	}
	options := registration.Options{
		Definition: j.definition, Params: params, Instance: j.instance,
		Parallel: j.parallel, CallbackURL: j.callbackURL, SecretRef: j.secretRef,
		Policy: registration.Policy(j.definition.Policy),
	}
	configure(&options)
	http := j.newHTTP()
	var survey *registration.Survey
	if !slices.ContainsFunc(j.definition.Webhooks, func(w connector.Webhooks) bool { return w.First }) { // those bring APIs with them
		// What the system and the cluster say is found out at the same time.
		survey = registration.StartSurvey(ctx, options, http, j.log)
		defer survey.Stop()
	}
	kyma, err := j.connect(ctx, application, false)
	if err != nil {
		return err
	}
	var status <-chan kube.Known
	if !options.DryRun && !options.Verify {
		status = j.lookAtStatus(ctx, kyma.client)
	}
	options.Detected, options.SubscriptionVersion = kyma.found.Findings, kyma.found.SubscribeBy
	options.GatewayMissing, options.GatewayExpected = kyma.found.GatewayMissing, kyma.found.GatewayExpected
	options.EventPrefix, options.PrefixedTypes = kyma.found.EventPrefix, kyma.found.PrefixedTypes()
	first := j.webhooks(ctx, options, kyma, application, subscription.BeforeAPIs)
	deps := registration.Dependencies{Catalog: kyma.catalog, Survey: survey, HTTP: http, Log: j.log}
	if verification != nil {
		deps.Gateway = j.newClusterHTTP()
	}
	var state *later
	if kyma.state != nil {
		state = &later{State: kyma.state}
		deps.State = state
	}
	report := registration.Run(ctx, options, deps)
	notSaved := error(nil)
	if len(j.definition.Webhooks) > 0 {
		notSaved = state.wait() // webhooks have their state in the same Secret
	}
	report.AddWebhooks(first)
	if report.Error == "" { // without services, events would go nowhere
		report.AddWebhooks(j.webhooks(ctx, options, kyma, application, subscription.AfterAPIs))
	}
	if verification != nil {
		j.subscriptions(ctx, verification, kyma, report)
	}
	if !report.DryRun {
		j.keepStatus(ctx, kyma.client, <-status, report)
	}
	if err := errors.Join(notSaved, state.wait()); err != nil {
		report.StateNotSaved(errors.New(j.redact.Redact(err.Error())))
	}
	if err := j.print(report); err != nil {
		return err
	}
	if code := report.ExitCode(failOn); code != cli.ExitOK {
		// A long report ends with what would be next if all were well; whoever sees its end only has to see this.
		if j.output == outputText {
			_, _ = fmt.Fprint(j.streams.Err, "\nThe run failed:\n"+report.TerminationMessage())
		}
		return &cli.ExitError{Code: code}
	}
	return nil
}

// secretRef is the command that shows a parameter's value, or says whose it is. A later place wins, so it
// counts where the value comes from.
func (j *job) secretRef(name string) string {
	const generated = "generated"
	for _, place := range slices.Backward(j.params) {
		if _, err := os.Stat(filepath.Join(place, name)); err != nil {
			continue
		}
		if filepath.Base(place) == generated && j.generatedSecret != "" {
			return j.showKey(j.generatedSecret, name)
		}
		break
	}
	if j.credentialsSecret != "" {
		return j.showKey(j.credentialsSecret, name)
	}
	return fmt.Sprintf("the value that was given for %s", name)
}

func (j *job) showKey(secretName, key string) string {
	namespace := ""
	if j.namespace != "" {
		namespace = "-n " + j.namespace + " "
	}
	return fmt.Sprintf("kubectl get secret %s%s -o go-template='{{index .data %q | base64decode}}'", namespace, secretName, key)
}

func values[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}
