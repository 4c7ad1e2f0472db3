package sandbox

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

const (
	// arrival is how long an event may take from the gateway's answer to its subscriber.
	arrival = 15 * time.Second
	// afterFailure is how long each further one may take when one has not arrived.
	afterFailure = time.Second
	// poll is the pause between two looks at what arrived.
	poll = 5 * time.Millisecond
	// farewell is how long the removal may take.
	farewell = time.Minute
	// workloadName is the Service that stands for a workload.
	workloadName = "sandbox-workload"
)

// Trial is everything that Try does with an add-on.
type Trial struct {
	Options
	// Addon names what is tried, in the report.
	Addon string
	// Definition is the add-on's connector definition.
	Definition *connector.Definition
	// Samples are its recorded deliveries, signed with SampleParams.
	Samples []sample.Sample
	// Relayed are events of Kyma that the system must get, or must not.
	Relayed      []sample.Relayed
	SampleParams map[string]string
	// Answers are what a system answers that has no simulator of its own.
	Answers []sample.SystemAnswer
	// Progress is told about each step when it is done. It may be nil.
	Progress func(Step)
	// Stay, if set, is called between the checks and the removal, with the report so far: it returns when
	// the sandbox is no longer wanted.
	Stay func(context.Context, *Running, *Report)
}

// trial is a Trial in progress.
type trial struct {
	Trial
	sandbox  *sandbox
	report   *Report
	status   registrationReport
	own      *connector.Params // the installation's parameters, generated ones included
	places   []string
	workload *workload
	client   *http.Client
	app      string

	waitedInVain bool
}

// Try installs the release in a sandbox, checks that it does what it is for, and removes it. The report
// says how it went; it is complete as far as the trial came.
func Try(ctx context.Context, t Trial) *Report {
	began := time.Now()
	run := &trial{Trial: t, workload: &workload{}, report: &Report{
		Addon: t.Addon, Plan: t.Release.Plan, Kyma: string(t.Generation),
		Samples: []SampleResult{}, Calls: []Call{}, Left: []string{}, Steps: []Step{}, Problems: []string{},
	}}
	run.all(ctx)
	if run.sandbox != nil && run.sandbox.access != nil {
		run.report.Rights = run.sandbox.access.Used()
	}
	run.report.OK = len(run.report.Problems) == 0
	run.report.Seconds = seconds(time.Since(began))
	return run.report
}

func (t *trial) all(ctx context.Context) {
	defer t.close()
	if !t.step(ctx, "start the simulators", t.start) {
		return
	}
	applied := t.step(ctx, "prepare: pre-install hooks", t.hooks("pre-install")) &&
		t.step(ctx, "apply the objects", t.apply)
	installed := applied &&
		t.step(ctx, "start the pods", t.pods) &&
		t.step(ctx, "register: post-install hooks", t.register)
	if installed {
		t.check(ctx)
	}
	if installed && t.Stay != nil && ctx.Err() == nil {
		t.Stay(ctx, t.running(), t.report)
	}
	// Also after a failure or an interruption: what was installed is removed.
	if applied {
		removal, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		t.step(removal, "remove", t.remove)
	}
}

// check does everything between the installation and the removal. Each step is worth doing although one
// before it failed.
func (t *trial) check(ctx context.Context) {
	t.step(ctx, "register again", t.registerAgain)
	t.step(ctx, "call the APIs as a workload", t.callAPIs)
	if !t.step(ctx, "subscribe to the event types", t.subscribe) {
		return
	}
	t.step(ctx, "send the sample deliveries", t.sendSamples)
	t.step(ctx, "let the system send events", t.notify)
	if len(t.Definition.Relay) > 0 {
		t.step(ctx, "let Kyma send events", t.relay)
	}
	t.step(ctx, "helm test", t.helmTest)
	t.step(ctx, "look after the pods", func(context.Context) (string, error) { return "none has ended", t.sandbox.crashed() })
}

// step runs one part, unless the trial was interrupted, and notes how it went.
func (t *trial) step(ctx context.Context, name string, run func(context.Context) (string, error)) bool {
	if ctx.Err() != nil {
		t.problem("interrupted before: " + name)
		return false
	}
	began := time.Now()
	detail, err := run(ctx)
	s := Step{Name: name, Detail: detail, OK: err == nil, Seconds: seconds(time.Since(began))}
	if err != nil {
		s.Detail = t.redact(err.Error())
		t.problem(name + ": " + s.Detail)
	}
	t.report.Steps = append(t.report.Steps, s)
	if t.Progress != nil {
		t.Progress(s)
	}
	return err == nil
}

func (t *trial) redact(text string) string {
	if t.sandbox == nil {
		return secret.NewRedactor(t.Secrets...).Redact(text)
	}
	return t.sandbox.redactor().Redact(text)
}

func (t *trial) problem(text string) {
	if !slices.Contains(t.report.Problems, text) {
		t.report.Problems = append(t.report.Problems, text)
	}
}
