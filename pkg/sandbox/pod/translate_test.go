package pod

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func fixed(n int) ([]string, error) {
	return []string{"127.0.0.1:50001", "127.0.0.1:50002", "127.0.0.1:50003"}[:n], nil
}

func gateway() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "gw-0", Namespace: "ns"},
		Spec: corev1.PodSpec{
			Volumes: []corev1.Volume{
				{Name: "definition", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref("definition")}}},
				{Name: "credentials", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "credentials"}}},
				{Name: "buffer", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
			Containers: []corev1.Container{{
				Name:  "gateway",
				Image: "registry.example.com:5000/team/helper:0.1.0@sha256:0123",
				Args: []string{
					"serve", "--listen=:8080", "--admin-listen", "0.0.0.0:8081", "--connector=/etc/connector/definition/connector.yaml",
					"--params", "/etc/connector/params", "--buffer-dir=/var/buffer", "--note=$(NOTE) $$(NOTE) $(NONE)", "--last-words=/dev/termination-log",
				},
				Env: []corev1.EnvVar{
					{Name: "NOTE", Value: "n"},
					{Name: "KC_LISTENERS", Value: ":8080,:8081"},
					{Name: "KC_PARAMS", Value: "/etc/connector/params,/etc/connector/params/extra,/etc/connector/paramsother"},
					{Name: "KC_ADMIN_URL", Value: "http://localhost:8081/healthz"},
					{Name: "KC_ELSEWHERE", Value: "http://publisher.kyma-system:8080/etc/connector/params"},
					{Name: "POD", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
					{Name: "SOME_PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: ref("credentials"), Key: "password"}}},
					{Name: "GOMEMLIMIT", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.memory"}}},
					{Name: "GOMAXPROCS", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.cpu"}}},
				},
				Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": resource.MustParse("64Mi"), "cpu": resource.MustParse("1500m")}},
				Ports:     []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "admin", ContainerPort: 8081}},
				VolumeMounts: []corev1.VolumeMount{
					{Name: "definition", MountPath: "/etc/connector/definition"},
					{Name: "credentials", MountPath: "/etc/connector/params/"},
					{Name: "buffer", MountPath: "/var/buffer", SubPath: "sub"},
				},
			}},
		},
	}
}

func TestAContainerIsTheSameProcessWithItsPathsAndPortsMoved(t *testing.T) {
	t.Parallel()
	m, dir := machine(t), t.TempDir()
	plan, err := m.Translate(t.Context(), gateway(), dir, fixed)
	require.NoError(t, err)
	require.Len(t, plan.Containers, 1)
	process := plan.Containers[0]
	short := strings.NewReplacer(dir, "DIR")

	assert.Equal(t, filepath.Join(m.Binaries, "helper"), process.Path)
	var args, env []string
	for _, arg := range process.Args {
		args = append(args, short.Replace(arg))
	}
	for _, variable := range process.Env {
		env = append(env, short.Replace(variable))
	}
	assert.Equal(t, []string{
		"serve", "--listen=127.0.0.1:50001", "--admin-listen", "127.0.0.1:50002", "--connector=DIR/volumes/definition/connector.yaml",
		"--params", "DIR/volumes/credentials", "--buffer-dir=DIR/volumes/buffer/sub", "--note=n $(NOTE) $(NONE)", "--last-words=DIR/logs/gateway.termination",
	}, args)
	assert.Equal(t, []string{
		"HOSTNAME=gw-0",
		"HTTP_PROXY=http://127.0.0.1:1",
		"NOTE=n",
		"KC_LISTENERS=127.0.0.1:50001,127.0.0.1:50002",
		"KC_PARAMS=DIR/volumes/credentials,DIR/volumes/credentials/extra,/etc/connector/paramsother",
		"KC_ADMIN_URL=http://127.0.0.1:50002/healthz",
		"KC_ELSEWHERE=http://publisher.kyma-system:8080/etc/connector/params",
		"POD=gw-0",
		"SOME_PASSWORD=" + topSecret,
		"GOMEMLIMIT=67108864",
		"GOMAXPROCS=2",
	}, env, "nothing of the caller's environment")

	address, ok := plan.Ports.Address(intstr.FromString("admin"))
	assert.True(t, ok)
	assert.Equal(t, "127.0.0.1:50002", address)
	address, ok = plan.Ports.Address(intstr.FromInt32(8080))
	assert.True(t, ok)
	assert.Equal(t, "127.0.0.1:50001", address)
	_, ok = plan.Ports.Address(intstr.FromString("relay"))
	assert.False(t, ok)
}

func TestPodsThatCannotRunHere(t *testing.T) {
	t.Parallel()
	always := corev1.ContainerRestartPolicyAlways
	tests := []struct {
		name   string
		change func(*corev1.Pod)
		err    string
	}{
		{"unknown image", func(p *corev1.Pod) { p.Spec.Containers[0].Image = "example.com/other:1" }, "image example.com/other:1: there is no program other in BIN: run make build, or name the directory of the programs"},
		{"unknown command", func(p *corev1.Pod) { p.Spec.Containers[0].Command = []string{"/bin/sh", "-c"} }, "there is no program sh in BIN"},
		{"a port that nothing sets", func(p *corev1.Pod) {
			p.Spec.Containers[0].Ports = append(p.Spec.Containers[0].Ports, corev1.ContainerPort{Name: "relay", ContainerPort: 8082})
		}, "container gateway: port 8082 (relay): no argument or variable sets the address to listen on"},
		{"a mount without a volume", func(p *corev1.Pod) { p.Spec.Volumes = p.Spec.Volumes[1:] }, "mount /etc/connector/definition: the pod has no volume definition"},
		{"a sub path that leaves", func(p *corev1.Pod) { p.Spec.Containers[0].VolumeMounts[2].SubPath = "../x" }, `sub path "../x" leaves the volume`},
		{"an unknown field", func(p *corev1.Pod) { p.Spec.Containers[0].Env[5].ValueFrom.FieldRef.FieldPath = "spec.x" }, "variable POD: field spec.x of a pod is not known"},
		{"a sidecar", func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "mesh", Image: "helper", RestartPolicy: &always}}
		}, "init container mesh: a sidecar cannot run on this machine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, pod := machine(t), gateway()
			tt.change(pod)
			_, err := m.Translate(t.Context(), pod, t.TempDir(), fixed)
			require.ErrorContains(t, err, strings.ReplaceAll(tt.err, "BIN", m.Binaries))
		})
	}
}

func TestImageName(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"event-gateway": "event-gateway", "event-gateway:0.1.0": "event-gateway", "r.example.com/a/event-gateway": "event-gateway",
		"r.example.com:5000/event-gateway": "event-gateway", "r:5000/a/b/event-gateway:1@sha256:00": "event-gateway", "a/event-gateway@sha256:00": "event-gateway",
	} {
		assert.Equal(t, want, ImageName(image), image)
	}
}

func TestFreeAddressesAreDifferent(t *testing.T) {
	t.Parallel()
	addresses, err := FreeAddresses(20)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, address := range addresses {
		seen[address] = true
	}
	assert.Len(t, seen, 20)
}
