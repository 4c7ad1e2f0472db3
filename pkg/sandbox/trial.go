package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
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
	Samples      []sample.Sample
	SampleParams map[string]string
	// Progress is told about each step when it is done. It may be nil.
	Progress func(Step)
	// Stay, if set, is called between the checks and the removal, with the report so far: it returns when
	// the sandbox is no longer wanted.
	Stay func(context.Context, *Running, *Report)
}

// Running is what a person may use while the sandbox stays up.
type Running struct {
	// Dir is the sandbox's directory; logs are in pods/<pod>/logs.
	Dir string
	// Proxy and CA reach every host that is simulated, Kubeconfig the Kubernetes API as administrator.
	Proxy, CA, Kubeconfig string
	// Deliveries are the ways in.
	Deliveries []Entrance
	// APIs are the registered APIs and the addresses that workloads call them by.
	APIs []Call
	// Samples are the names of the sample deliveries.
	Samples []string
	// ParamsDirs are the directories that hold the installation's parameters, as its gateway sees them.
	ParamsDirs []string
	// Manual is what a person would have to enter at the real system.
	Manual []string
}

// Entrance is a way in for deliveries.
type Entrance struct {
	Name string
	// URL is the public address.
	URL string
	// Local is the gateway on this machine, Path what deliveries are sent to there.
	Local, Path string
	// Curl sends a delivery of one's own, where curl can prove the sender.
	Curl string
}

// trial is a Trial in progress.
type trial struct {
	Trial
	sandbox  *Sandbox
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
	t.step(ctx, "helm test", t.hooks("test"))
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

func (t *trial) start(ctx context.Context) (string, error) {
	var err error
	if t.sandbox, err = Start(ctx, t.Options); err != nil {
		return "", err
	}
	t.client = t.sandbox.proxy.Client()
	t.sandbox.proxy.Handle(net.JoinHostPort(workloadName+"."+t.Release.Namespace, "80"), t.workload)
	return fmt.Sprintf("Kyma (%s) and %s", t.Generation, t.Definition.Metadata.DisplayName), nil
}

func (t *trial) close() {
	if t.sandbox == nil {
		return
	}
	if err := t.sandbox.Close(); err != nil {
		t.problem(t.redact("close the sandbox: " + err.Error()))
	}
}

func (t *trial) hooks(event string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ran, err := t.sandbox.runHooks(ctx, event)
		return fmt.Sprintf("%d run", ran), err
	}
}

func (t *trial) apply(ctx context.Context) (string, error) {
	objects := t.sandbox.objects
	if err := t.sandbox.applyAll(ctx, objects); err != nil {
		return "", err
	}
	for _, job := range objects.jobs {
		if err := t.sandbox.runJob(ctx, job); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d manifests", len(objects.apply)), nil
}

func (t *trial) pods(ctx context.Context) (string, error) {
	n, err := t.sandbox.startPods(ctx)
	if err != nil {
		return "", err
	}
	t.places = t.paramsDirs()
	if t.own, err = t.Definition.ReadParams(t.places...); err != nil {
		return "", fmt.Errorf("read the installation's parameters: %w", err)
	}
	if t.app, err = t.Definition.Application.Text(t.own.Input()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d ready", n), nil
}

// paramsDirs are the places of parameters as a running gateway sees them.
func (t *trial) paramsDirs() []string {
	for _, p := range t.sandbox.network.running() {
		if places := p.Variable("KC_PARAMS"); places != "" {
			return strings.Split(places, ",")
		}
	}
	return nil
}

func (t *trial) register(ctx context.Context) (string, error) {
	_, failed := t.sandbox.runHooks(ctx, "post-install")
	// Also after a failure: the report says how far it came.
	if err := t.readStatus(ctx); err != nil {
		return "", errors.Join(failed, err)
	}
	if failed != nil {
		return "", failed
	}
	return t.judgeRegistration()
}

func (t *trial) readStatus(ctx context.Context) error {
	name := t.statusName()
	data, found, err := t.sandbox.cluster.ConfigMap(ctx, t.Release.Namespace, name)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("the registration left no report: there is no config map %q", name)
	}
	if err := json.Unmarshal(data["report.json"], &t.status); err != nil {
		return fmt.Errorf("read the registration's report: %w", err)
	}
	t.report.APIs = t.status.APIs
	return nil
}

func (t *trial) judgeRegistration() (string, error) {
	apis := t.status.APIs
	summary := fmt.Sprintf("%d registered, %d updated, %d unchanged, %d skipped, %d failed", apis.Registered, apis.Updated, apis.Unchanged, apis.Skipped, apis.Failed)
	var wrong []string
	for _, s := range t.status.Services {
		if s.Outcome == "failed" || s.Outcome == "skipped" && s.Class != "switched-off" {
			wrong = append(wrong, fmt.Sprintf("%s is %s: %s; %s", s.Name, s.Outcome, s.Reason, s.Next))
		}
	}
	switch {
	case t.status.Error != "":
		return "", fmt.Errorf("%s; %s", t.status.Error, t.status.Next)
	case len(wrong) > 0:
		return "", errors.New(strings.Join(wrong, "\n"))
	case apis.Registered == 0 && len(t.Definition.APIs) > 0:
		return "", fmt.Errorf("no API was registered: %s", summary)
	}
	return summary, nil
}

// statusName is the ConfigMap that the registration reports to.
func (t *trial) statusName() string {
	for _, job := range t.registrations() {
		for _, container := range job.Spec.Template.Spec.Containers {
			for _, env := range container.Env {
				if env.Name == "KC_STATUS_CONFIGMAP" && env.Value != "" {
					return env.Value
				}
			}
		}
	}
	return ""
}

// registrations are the Jobs that register: the release's own, then those of its CronJobs.
func (t *trial) registrations() []*batchv1.Job {
	var out []*batchv1.Job
	for _, hook := range t.Release.HooksFor("post-install") {
		if one, err := decode([]provision.Manifest{hook.Manifest}, t.Release.Namespace); err == nil {
			out = append(out, one.jobs...)
		}
	}
	out = append(out, t.sandbox.objects.jobs...)
	for _, cron := range t.sandbox.objects.cronJobs {
		job := &batchv1.Job{ObjectMeta: *cron.Spec.JobTemplate.ObjectMeta.DeepCopy(), Spec: *cron.Spec.JobTemplate.Spec.DeepCopy()}
		job.Name, job.Namespace = cron.Name, cron.Namespace
		out = append(out, job)
	}
	return out
}

// registerAgain runs the registration once more, by the CronJob where the release has one. Nothing has
// changed, so nothing may be written.
func (t *trial) registerAgain(ctx context.Context) (string, error) {
	jobs := t.registrations()
	if len(jobs) == 0 {
		return "nothing to run", nil
	}
	job := jobs[len(jobs)-1]
	before := len(t.writes())
	if err := t.sandbox.runJob(ctx, job); err != nil {
		return "", err
	}
	writes := t.writes()[before:]
	t.report.SecondRun.Writes = len(writes)
	if len(writes) > 0 {
		return "", fmt.Errorf("nothing has changed, but %d requests of job %s wrote something: %s", len(writes), job.Name, strings.Join(writes, ", "))
	}
	return fmt.Sprintf("%s wrote nothing", job.Name), nil
}

// writes are the requests that changed something in Kyma, or tried to; the registration's own status is
// left out.
func (t *trial) writes() []string {
	var out []string
	for _, part := range []string{simulator.PartRegistry, simulator.PartKubernetes} {
		for _, call := range t.sandbox.kyma.Calls(part) {
			if call.Method == http.MethodGet || call.Method == http.MethodHead || strings.HasSuffix(call.Path, "/configmaps/"+t.statusName()) {
				continue
			}
			out = append(out, call.Method+" "+call.Path)
		}
	}
	return out
}

// callAPIs calls every registered API through the simulated Application Gateway.
func (t *trial) callAPIs(ctx context.Context) (string, error) {
	var errs []error
	for _, s := range t.status.Services {
		if s.URL == "" || s.Kind == "events" || s.Outcome == "skipped" || s.Outcome == "failed" {
			continue
		}
		status, err := t.callAPI(ctx, s.URL)
		t.report.Calls = append(t.report.Calls, Call{API: s.Name, URL: s.URL, Status: status})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s at %s: %w", s.Name, s.URL, err))
		}
	}
	return fmt.Sprintf("%d called", len(t.report.Calls)), errors.Join(errs...)
}

func (t *trial) callAPI(ctx context.Context, url string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := t.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return response.StatusCode, err
	}
	if response.StatusCode >= 300 {
		return response.StatusCode, fmt.Errorf("answers %d: %.300s", response.StatusCode, body)
	}
	return response.StatusCode, nil
}

// subscribe applies the Subscriptions that the registration's report offers, with a workload as their
// sink, and makes one for the types of samples that the catalog does not list, such as custom ones.
func (t *trial) subscribe(ctx context.Context) (string, error) {
	namespace := t.Release.Namespace
	service := map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": workloadName, "namespace": namespace},
		"spec": map[string]any{"ports": []any{map[string]any{"port": 80}}, "selector": map[string]any{"app": workloadName}},
	}
	if err := t.applyObject(ctx, service); err != nil {
		return "", err
	}
	for i, e := range t.status.Events {
		spec, ok := e.Subscription["spec"].(map[string]any)
		if !ok {
			return "", fmt.Errorf("the report offers no Subscription for %s", e.Type)
		}
		spec["sink"] = "http://" + workloadName + "." + namespace + ".svc.cluster.local"
		e.Subscription["metadata"] = map[string]any{"name": fmt.Sprintf("%s-%d", workloadName, i), "namespace": namespace}
		if err := t.applyObject(ctx, e.Subscription); err != nil {
			return "", fmt.Errorf("subscription for %s: %w", e.Type, err)
		}
	}
	if len(t.status.Events) == 0 && t.Definition.Events != nil {
		return "", errors.New("the report lists no event types although the definition has a catalog")
	}
	more := t.customTypes()
	if len(more) == 0 {
		return fmt.Sprintf("%d of the catalog", len(t.status.Events)), nil
	}
	if err := t.sandbox.kyma.Subscribe(namespace, workloadName, t.app, more...); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d of the catalog, %d others of the samples", len(t.status.Events), len(more)), nil
}

// customTypes are the event types of samples that the catalog does not list.
func (t *trial) customTypes() []string {
	var known, more []string
	for _, e := range t.status.Events {
		known = append(known, e.Type)
	}
	for _, s := range t.Samples {
		for _, e := range s.Golden.Events {
			if name := e.FullType(); !slices.Contains(known, name) && !slices.Contains(more, name) {
				more = append(more, name)
			}
		}
	}
	return more
}

func (t *trial) applyObject(ctx context.Context, o map[string]any) error {
	content, err := json.Marshal(o)
	if err != nil {
		return err
	}
	metadata, _ := o["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	apiVersion, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	return t.sandbox.cluster.apply(ctx, provision.Manifest{APIVersion: apiVersion, Kind: kind, Name: name, Content: content}, t.Release.Namespace)
}

// remove does what Helm does on an uninstall and looks at what is left.
func (t *trial) remove(ctx context.Context) (string, error) {
	if err := t.unsubscribe(ctx); err != nil {
		return "", err
	}
	if _, err := t.sandbox.runHooks(ctx, "pre-delete"); err != nil {
		return "", err
	}
	t.sandbox.stopPods()
	if err := t.sandbox.removeObjects(ctx); err != nil {
		return "", err
	}
	if _, err := t.sandbox.runHooks(ctx, "post-delete"); err != nil {
		return "", err
	}
	left, err := t.sandbox.left(ctx)
	if err != nil {
		return "", err
	}
	t.report.Left = append(t.report.Left, left...)
	if len(left) > 0 {
		return "", fmt.Errorf("the removal left behind: %s", strings.Join(left, ", "))
	}
	return "nothing is left", nil
}

// unsubscribe removes what subscribe made.
func (t *trial) unsubscribe(ctx context.Context) error {
	for _, e := range t.status.Events {
		metadata, _ := e.Subscription["metadata"].(map[string]any)
		name, _ := metadata["name"].(string)
		apiVersion, _ := e.Subscription["apiVersion"].(string)
		m := provision.Manifest{APIVersion: apiVersion, Kind: "Subscription", Name: name}
		if err := t.sandbox.cluster.remove(ctx, m, t.Release.Namespace); err != nil {
			return err
		}
	}
	return nil
}

// running is what a person may use.
func (t *trial) running() *Running {
	r := &Running{
		Dir: t.sandbox.dir, Proxy: t.sandbox.proxy.URL(), CA: filepath.Join(t.sandbox.dir, "ca.crt"), Kubeconfig: filepath.Join(t.sandbox.dir, "kubeconfig"),
		APIs: t.report.Calls, ParamsDirs: t.places,
	}
	for i := range t.Definition.Deliveries {
		d := &t.Definition.Deliveries[i]
		if d.HTTP == nil {
			continue
		}
		url, err := t.sandbox.network.entrance(http.MethodPost, d.HTTP.Path)
		if err != nil {
			continue // said before, when the samples were sent
		}
		e := Entrance{Name: d.Name, URL: url + d.HTTP.Path, Local: t.sandbox.network.local(d.HTTP.Path), Path: d.HTTP.Path}
		if d.Verify.Basic != nil {
			user, password := t.parameterFile(d.Verify.Basic.Username), t.parameterFile(d.Verify.Basic.Password)
			e.Curl = fmt.Sprintf(`curl -i -u "$(cat %s):$(cat %s)" -H 'Content-Type: application/json' -d @FILE %s%s`, user, password, e.Local, e.Path)
		}
		r.Deliveries = append(r.Deliveries, e)
	}
	for _, s := range t.Samples {
		r.Samples = append(r.Samples, s.Name)
	}
	for _, m := range t.status.Manual {
		r.Manual = append(r.Manual, m.Title+":")
		for _, step := range m.Steps {
			r.Manual = append(r.Manual, "  "+step)
		}
	}
	return r
}

// parameterFile is the file that holds the parameter that a value reads.
func (t *trial) parameterFile(v connector.Value) string {
	for _, name := range v.Parameters() {
		for _, place := range slices.Backward(t.places) {
			file := filepath.Join(place, name)
			if _, err := os.Stat(file); err == nil {
				return file
			}
		}
	}
	return ""
}
