package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

func (t *trial) register(ctx context.Context) (string, error) {
	if err := t.connectSystem(); err != nil {
		return "", err
	}
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
	before := t.writes()
	if err := t.sandbox.runJob(ctx, job); err != nil {
		return "", err
	}
	var fresh []string
	for part, writes := range t.writes() {
		fresh = append(fresh, writes[len(before[part]):]...)
	}
	t.report.SecondRun.Writes = len(fresh)
	if len(fresh) > 0 {
		return "", fmt.Errorf("nothing has changed, but %d requests of job %s wrote something: %s", len(fresh), job.Name, strings.Join(fresh, ", "))
	}
	return fmt.Sprintf("%s wrote nothing", job.Name), nil
}

// writes are the requests that changed something in the parts of Kyma or, where the registration keeps webhooks, at
// the system, or tried to; the registration's own status is left out.
func (t *trial) writes() map[string][]string {
	calls := map[string][]simulator.Call{}
	for _, part := range []string{simulator.PartRegistry, simulator.PartKubernetes} {
		calls[part] = t.sandbox.kyma.Calls(part)
	}
	if t.subscribes() {
		calls["system"] = t.sandbox.system.Calls()
	}
	out := map[string][]string{}
	for part, made := range calls {
		for _, call := range made {
			if call.Method != http.MethodGet && call.Method != http.MethodHead && !strings.HasSuffix(call.Path, "/configmaps/"+t.statusName()) {
				out[part] = append(out[part], call.Method+" "+call.Path)
			}
		}
	}
	return out
}
