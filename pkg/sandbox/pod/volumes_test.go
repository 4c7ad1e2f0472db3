package pod

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func ref(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }

func volume(source corev1.VolumeSource) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", Labels: map[string]string{"a": "b"}},
		Spec:       corev1.PodSpec{Volumes: []corev1.Volume{{Name: "v", VolumeSource: source}}},
	}
}

func TestVolumesShowWhatTheyName(t *testing.T) {
	t.Parallel()
	yes := true
	tests := []struct {
		name   string
		source corev1.VolumeSource
		want   map[string]string
	}{
		{"secret", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "credentials"}},
			map[string]string{"password": topSecret, "user": "u"}},
		{"config map with items", corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref("definition"),
			Items: []corev1.KeyToPath{{Key: "connector.yaml", Path: "connector.yaml"}, {Key: "apis-x", Path: "apis/x.json"}}}},
			map[string]string{"connector.yaml": "a: b", "apis/x.json": "{}"}},
		{"optional secret that does not exist", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "none", Optional: &yes}},
			map[string]string{}},
		{"optional key that does not exist", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "credentials", Optional: &yes,
			Items: []corev1.KeyToPath{{Key: "none", Path: "none"}, {Key: "user", Path: "user"}}}},
			map[string]string{"user": "u"}},
		{"downward API", corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{{Path: "name", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}},
			map[string]string{"name": "p"}},
		{"projected: later sources win", corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: ref("definition")}},
			{Secret: &corev1.SecretProjection{LocalObjectReference: ref("credentials"), Items: []corev1.KeyToPath{{Key: "user", Path: "apis-x"}}}},
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{Path: "label", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels['a']"}}}}},
		}}},
			map[string]string{"connector.yaml": "a: b", "apis-x": "u", "token": "sandbox", "label": "b"}},
		{"empty directory", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}, map[string]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dirs, err := machine(t).volumes(t.Context(), volume(tt.source), t.TempDir())
			require.NoError(t, err)
			assert.Equal(t, tt.want, visible(t, dirs["v"]))
		})
	}
}

func TestVolumesThatCannotBeShown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		source corev1.VolumeSource
		err    string
	}{
		{"no such secret", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "none"}}, "volume v: secret none does not exist"},
		{"no such key", corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref("definition"), Items: []corev1.KeyToPath{{Key: "x", Path: "x"}}}}, "volume v: config map definition has no key x"},
		{"path that leaves", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "credentials", Items: []corev1.KeyToPath{{Key: "user", Path: "../user"}}}}, `volume v: path "../user" leaves the volume`},
		{"the node's files", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/etc"}}, "volume v: this kind of volume cannot be shown on this machine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := machine(t).volumes(t.Context(), volume(tt.source), t.TempDir())
			require.EqualError(t, err, tt.err)
		})
	}
}

func TestFilesLieAndChangeAsTheKubeletDoesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, writeAtomic(dir, map[string][]byte{"user": []byte("u"), "apis/x.json": []byte("{}")}))

	target, err := os.Readlink(filepath.Join(dir, "user"))
	require.NoError(t, err)
	assert.Equal(t, "..data/user", target)
	first, err := os.Readlink(filepath.Join(dir, "..data"))
	require.NoError(t, err)
	assert.Regexp(t, `^\.\.\d{4}_`, first)

	require.NoError(t, writeAtomic(dir, map[string][]byte{"user": []byte("u2"), "new": []byte("n")}))
	assert.Equal(t, map[string]string{"user": "u2", "new": "n"}, visible(t, dir))
	assert.NoDirExists(t, filepath.Join(dir, first))
}

func TestAClaimOutlivesItsPod(t *testing.T) {
	t.Parallel()
	m := machine(t)
	source := corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-p-0"}}
	first, err := m.volumes(t.Context(), volume(source), t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(first["v"], "kept"), []byte("k"), 0o600))

	second, err := m.volumes(t.Context(), volume(source), t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"kept": "k"}, visible(t, second["v"]))
}

// visible is what a program sees in a mounted directory: path -> content, without names that begin with "..".
func visible(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		if len(entry.Name()) > 1 && entry.Name()[:2] == ".." {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path)
		require.NoError(t, err)
		if info.IsDir() {
			for name, content := range visible(t, path) {
				out[entry.Name()+"/"+name] = content
			}
			continue
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		out[entry.Name()] = string(data)
	}
	return out
}
