package pod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func pod(name string, args ...string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns"},
		Spec: corev1.PodSpec{
			Volumes:    []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}},
			Containers: []corev1.Container{{Name: "main", Image: helper, Args: args, VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}}},
		},
	}
}

func logOf(t *testing.T, m *Machine, pod, container string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(m.Dir, "pods", pod+".*", "logs", container+".log"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	data, err := os.ReadFile(files[0])
	require.NoError(t, err)
	return string(data)
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestAProcessSeesItsManifestAndNothingElse(t *testing.T) {
	t.Parallel()
	m := machine(t)
	require.NoError(t, m.RunToEnd(t.Context(), pod("p", "show", "x")))
	var seen struct{ Args, Env []string }
	require.NoError(t, json.Unmarshal([]byte(logOf(t, m, "p", "main")), &seen))
	assert.Equal(t, []string{"show", "x"}, seen.Args)
	assert.Equal(t, []string{"HOSTNAME=p", "HTTP_PROXY=http://127.0.0.1:1"}, seen.Env)
}

func TestAFailedContainerIsExplainedWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"by its output", []string{"exit", "2", "password is " + topSecret}, "pod p: container main ended with exit code 2:\n    password is <secret>"},
		{"by its last words", []string{"words", "/dev/termination-log", "bad: " + topSecret}, "pod p: container main ended with exit code 1:\n    bad: <secret>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t)
			require.EqualError(t, m.RunToEnd(t.Context(), pod("p", tt.args...)), tt.want)
			assert.NotContains(t, logOf(t, m, "p", "main"), topSecret)
		})
	}
}

func TestInitContainersComeFirst(t *testing.T) {
	t.Parallel()
	m := machine(t)
	p := pod("p", "show")
	p.Spec.InitContainers = []corev1.Container{{Name: "check", Image: helper, Args: []string{"exit", "2", "no"}}}
	_, err := m.Start(t.Context(), p)
	var exit *ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, "check", exit.Container)
	files, err := filepath.Glob(filepath.Join(m.Dir, "pods", "p.*", "logs", "main.log"))
	require.NoError(t, err)
	assert.Empty(t, files, "the container must not have been started")
}

func serving() *corev1.Pod {
	p := pod("p", "serve", ":8080")
	p.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}
	p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromString("http")}}}
	return p
}

func TestAPodIsReadyWhenItsProbeSaysSo(t *testing.T) {
	t.Parallel()
	m := machine(t)
	running, err := m.Start(t.Context(), serving())
	require.NoError(t, err)
	require.NoError(t, running.Ready(t.Context()))
	require.NoError(t, running.Failed())
	pids := running.PIDs()
	require.Len(t, pids, 1)

	running.Stop(t.Context())
	assert.True(t, gone(pids[0]))
	var exit *ExitError
	require.ErrorAs(t, running.Failed(), &exit)
	assert.Equal(t, 0, exit.Code, "SIGTERM was enough")
}

func TestAPodThatNeverGetsReady(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*corev1.Pod)
		want   string
	}{
		{"it ends", func(p *corev1.Pod) {
			p.Spec.Containers[0].Args = []string{"exit", "1", "listening on :8080 failed"}
		}, "pod p: container main ended with exit code 1:\n    listening on 127.0.0.1:"},
		{"it does not listen", func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{"sleep", ":8080"} }, "pod p: container main: not ready in time"},
		{"its probe names no port", func(p *corev1.Pod) {
			p.Spec.Containers[0].ReadinessProbe.HTTPGet.Port = intstr.FromString("x")
		}, "pod p: container main: probe: the pod has no port x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, p := machine(t), serving()
			m.Grace = 100 * time.Millisecond
			tt.change(p)
			running, err := m.Start(t.Context(), p)
			require.NoError(t, err)
			t.Cleanup(func() { running.Stop(context.WithoutCancel(t.Context())) })
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			require.ErrorContains(t, running.Ready(ctx), tt.want)
		})
	}
}

func TestStopTakesTheWholeGroup(t *testing.T) {
	t.Parallel()
	m := machine(t)
	m.Grace = 200 * time.Millisecond
	running, err := m.Start(t.Context(), pod("p", "stubborn"))
	require.NoError(t, err)
	var child int
	require.Eventually(t, func() bool {
		fields := strings.Fields(logOf(t, m, "p", "main"))
		if len(fields) == 2 {
			child, _ = strconv.Atoi(fields[1])
		}
		return child != 0
	}, 10*time.Second, 10*time.Millisecond)

	running.Stop(t.Context())
	assert.True(t, gone(running.PIDs()[0]))
	require.Eventually(t, func() bool { return gone(child) || zombie(child) }, 10*time.Second, 10*time.Millisecond)
}

// zombie says that the process has ended and only its entry waits for whoever inherited it.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestStatefulPodsHaveClaimsOfTheirOwn(t *testing.T) {
	t.Parallel()
	two := int32(2)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "gw", Namespace: "ns"}, Spec: appsv1.StatefulSetSpec{
		Replicas:             &two,
		Template:             corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}}},
		VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "buffer"}}},
	}}
	pods := OfStatefulSet(set)
	require.Len(t, pods, 2)
	assert.Equal(t, "gw-1", pods[1].Name)
	assert.Equal(t, "ns", pods[1].Namespace)
	assert.Equal(t, map[string]string{"a": "b"}, pods[1].Labels)
	assert.Equal(t, "buffer-gw-1", pods[1].Spec.Volumes[0].PersistentVolumeClaim.ClaimName)
	assert.Len(t, OfDeployment(&appsv1.Deployment{}), 1, "one replica is the default")
}

func job(limit int32, rules []batchv1.PodFailurePolicyRule, args ...string) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "j", Namespace: "ns"}, Spec: batchv1.JobSpec{BackoffLimit: &limit}}
	j.Spec.Template.Spec = pod("", args...).Spec
	if rules != nil {
		j.Spec.PodFailurePolicy = &batchv1.PodFailurePolicy{Rules: rules}
	}
	return j
}

func TestJobsRunAsOftenAsTheyMay(t *testing.T) {
	t.Parallel()
	stopOn2 := []batchv1.PodFailurePolicyRule{{Action: batchv1.PodFailurePolicyActionFailJob, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{2}}}}
	ignore3 := []batchv1.PodFailurePolicyRule{{Action: batchv1.PodFailurePolicyActionIgnore, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{Operator: batchv1.PodFailurePolicyOnExitCodesOpNotIn, Values: []int32{1, 2}}}}
	tests := []struct {
		name  string
		limit int32
		rules []batchv1.PodFailurePolicyRule
		args  []string
		want  string
	}{
		{"at once", 0, nil, []string{"exit", "0", ""}, ""},
		{"at the second try", 1, nil, []string{"flaky", "/data/n", "1", "1"}, ""},
		{"never within its limit", 1, nil, []string{"exit", "1", "no answer"}, "job j failed after 2 attempts: pod j-2: container main ended with exit code 1:\n    no answer"},
		{"never, by its policy", 5, stopOn2, []string{"exit", "2", "no host"}, "job j failed, and its policy forbids another one: pod j-1: container main ended with exit code 2:\n    no host"},
		{"its policy is for another code", 1, stopOn2, []string{"flaky", "/data/n", "1", "1"}, ""},
		{"ignored failures do not count", 0, ignore3, []string{"flaky", "/data/n", "1", "3"}, ""},
		{"not at all", 5, nil, nil, "job j failed: pod j-1: container main: image none: there is no program none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := job(tt.limit, tt.rules, tt.args...)
			if tt.args == nil {
				j.Spec.Template.Spec.Containers[0].Image = "none"
			}
			err := machine(t).RunJob(t.Context(), j)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
			var failed *JobError
			require.ErrorAs(t, err, &failed)
		})
	}
}

func TestAJobEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	m := machine(t)
	m.Grace = 100 * time.Millisecond
	j := job(3, nil, "sleep")
	second := int64(1)
	j.Spec.ActiveDeadlineSeconds = &second
	require.ErrorContains(t, m.RunJob(t.Context(), j), "the job's deadline of 1 s has passed")
}
