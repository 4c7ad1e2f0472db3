package pod

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// defaultBackoffLimit is Kubernetes' own.
const defaultBackoffLimit = 6

// The pause between two pods of a Job doubles between these: shorter than in a cluster, where it starts
// with ten seconds.
const (
	minPause = 200 * time.Millisecond
	maxPause = 2 * time.Second
)

// JobError says that a Job has failed for good.
type JobError struct {
	Job string
	// Attempts is how many pods were run.
	Attempts int
	// Policy says that the pod failure policy ended the Job before its back-off limit.
	Policy bool
	// Err is the last pod's failure.
	Err error
}

// Error implements error.
func (e *JobError) Error() string {
	reason := fmt.Sprintf("failed after %d attempts", e.Attempts)
	if e.Attempts == 1 {
		reason = "failed"
	}
	if e.Policy {
		reason += ", and its policy forbids another one"
	}
	return fmt.Sprintf("job %s %s: %v", e.Job, reason, e.Err)
}

// Unwrap implements errors.Unwrap.
func (e *JobError) Unwrap() error { return e.Err }

// RunJob runs the Job's pod until it succeeds, its back-off limit is reached, its pod failure policy ends
// it or its deadline passes. The error is a *JobError where the Job failed.
func (m *Machine) RunJob(ctx context.Context, job *batchv1.Job) error {
	if seconds := job.Spec.ActiveDeadlineSeconds; seconds != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(*seconds)*time.Second, fmt.Errorf("the job's deadline of %d s has passed", *seconds))
		defer cancel()
	}
	limit := defaultBackoffLimit
	if job.Spec.BackoffLimit != nil {
		limit = int(*job.Spec.BackoffLimit)
	}
	pause := minPause
	for attempts, failures := 1, 0; ; attempts++ {
		err := m.RunToEnd(ctx, jobPod(job, attempts))
		if err == nil {
			return nil
		}
		exit, ok := asExit(err)
		if !ok {
			return &JobError{Job: job.Name, Attempts: attempts, Err: err}
		}
		action := failureAction(job.Spec.PodFailurePolicy, exit)
		if action != batchv1.PodFailurePolicyActionIgnore {
			failures++
		}
		if action == batchv1.PodFailurePolicyActionFailJob || failures > limit {
			return &JobError{Job: job.Name, Attempts: attempts, Policy: action == batchv1.PodFailurePolicyActionFailJob, Err: err}
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, maxPause)
		case <-ctx.Done():
			return &JobError{Job: job.Name, Attempts: attempts, Err: errors.Join(err, context.Cause(ctx))}
		}
	}
}

// failureAction finds the first rule of the policy that matches; without one, the failure counts.
func failureAction(policy *batchv1.PodFailurePolicy, exit *ExitError) batchv1.PodFailurePolicyAction {
	if policy == nil {
		return batchv1.PodFailurePolicyActionCount
	}
	for _, rule := range policy.Rules {
		on := rule.OnExitCodes
		if on == nil || (on.ContainerName != nil && *on.ContainerName != exit.Container) {
			continue
		}
		contains := slices.Contains(on.Values, int32(exit.Code))
		if contains == (on.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn) {
			return rule.Action
		}
	}
	return batchv1.PodFailurePolicyActionCount
}

func jobPod(job *batchv1.Job, attempt int) *corev1.Pod {
	return FromTemplate(job.Spec.Template, job.Namespace, fmt.Sprintf("%s-%d", job.Name, attempt))
}
