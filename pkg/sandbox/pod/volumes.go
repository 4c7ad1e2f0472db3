package pod

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// volumes makes the directories that the pod's mounts show: volume name -> directory.
func (m *Machine) volumes(ctx context.Context, pod *corev1.Pod, dir string) (map[string]string, error) {
	out := make(map[string]string, len(pod.Spec.Volumes))
	for _, volume := range pod.Spec.Volumes {
		target := filepath.Join(dir, volume.Name)
		if claim := volume.PersistentVolumeClaim; claim != nil {
			// A claim outlives its pod: it lies beside the pods, not below one.
			target = filepath.Join(m.Dir, "claims", claim.ClaimName)
		}
		if err := os.MkdirAll(target, 0o700); err != nil {
			return nil, err
		}
		out[volume.Name] = target
		if volume.EmptyDir != nil || volume.PersistentVolumeClaim != nil {
			continue
		}
		files, err := m.files(ctx, pod, volume)
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", volume.Name, err)
		}
		if err := writeAtomic(target, files); err != nil {
			return nil, fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return out, nil
}

// files are the contents of a volume that shows objects: path -> bytes.
func (m *Machine) files(ctx context.Context, pod *corev1.Pod, volume corev1.Volume) (map[string][]byte, error) {
	switch {
	case volume.Secret != nil:
		return m.secretFiles(ctx, pod.Namespace, volume.Secret.SecretName, volume.Secret.Items, volume.Secret.Optional)
	case volume.ConfigMap != nil:
		return m.configMapFiles(ctx, pod.Namespace, volume.ConfigMap.Name, volume.ConfigMap.Items, volume.ConfigMap.Optional)
	case volume.DownwardAPI != nil:
		return downwardFiles(pod, volume.DownwardAPI.Items)
	case volume.Projected == nil:
		return nil, fmt.Errorf("this kind of volume cannot be shown on this machine")
	}
	all := map[string][]byte{}
	for _, source := range volume.Projected.Sources {
		files, err := m.projected(ctx, pod, source)
		if err != nil {
			return nil, err
		}
		for name, data := range files {
			all[name] = data
		}
	}
	return all, nil
}

func (m *Machine) projected(ctx context.Context, pod *corev1.Pod, source corev1.VolumeProjection) (map[string][]byte, error) {
	switch {
	case source.Secret != nil:
		return m.secretFiles(ctx, pod.Namespace, source.Secret.Name, source.Secret.Items, source.Secret.Optional)
	case source.ConfigMap != nil:
		return m.configMapFiles(ctx, pod.Namespace, source.ConfigMap.Name, source.ConfigMap.Items, source.ConfigMap.Optional)
	case source.DownwardAPI != nil:
		return downwardFiles(pod, source.DownwardAPI.Items)
	case source.ServiceAccountToken != nil:
		return map[string][]byte{source.ServiceAccountToken.Path: []byte("sandbox")}, nil
	}
	return nil, fmt.Errorf("this kind of projection cannot be shown on this machine")
}

func (m *Machine) secretFiles(ctx context.Context, namespace, name string, items []corev1.KeyToPath, optional *bool) (map[string][]byte, error) {
	data, found, err := m.Objects.Secret(ctx, namespace, name)
	return pick("secret "+name, data, found, err, items, optional)
}

func (m *Machine) configMapFiles(ctx context.Context, namespace, name string, items []corev1.KeyToPath, optional *bool) (map[string][]byte, error) {
	data, found, err := m.Objects.ConfigMap(ctx, namespace, name)
	return pick("config map "+name, data, found, err, items, optional)
}

// pick chooses the keys that items name, under the paths that they give; without items, all of them.
func pick(what string, data map[string][]byte, found bool, err error, items []corev1.KeyToPath, optional *bool) (map[string][]byte, error) {
	mayMiss := optional != nil && *optional
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	case !found && mayMiss:
		return nil, nil
	case !found:
		return nil, fmt.Errorf("%s does not exist", what)
	case len(items) == 0:
		return data, nil
	}
	out := make(map[string][]byte, len(items))
	for _, item := range items {
		value, ok := data[item.Key]
		switch {
		case ok:
			out[item.Path] = value
		case !mayMiss:
			return nil, fmt.Errorf("%s has no key %s", what, item.Key)
		}
	}
	return out, nil
}

func downwardFiles(pod *corev1.Pod, items []corev1.DownwardAPIVolumeFile) (map[string][]byte, error) {
	out := make(map[string][]byte, len(items))
	for _, item := range items {
		if item.FieldRef == nil {
			return nil, fmt.Errorf("downward API file %s: only fields of the pod can be shown", item.Path)
		}
		value, err := podField(pod, item.FieldRef.FieldPath)
		if err != nil {
			return nil, err
		}
		out[item.Path] = []byte(value)
	}
	return out, nil
}

// writeAtomic fills dir as the kubelet does: the files lie in a dated directory, ..data points to it, and
// every name in dir is a link through ..data. A second call swaps all files at once.
func writeAtomic(dir string, files map[string][]byte) error {
	dated, err := os.MkdirTemp(dir, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return err
	}
	var tops []string
	for name, data := range files {
		if !filepath.IsLocal(name) || strings.HasPrefix(name, "..") {
			return fmt.Errorf("path %q leaves the volume", name)
		}
		target := filepath.Join(dated, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(target, data, 0o600); err != nil {
			return err
		}
		top, _, _ := strings.Cut(path.Clean(name), "/")
		if !slices.Contains(tops, top) {
			tops = append(tops, top)
		}
	}
	link, next := filepath.Join(dir, "..data"), filepath.Join(dir, "..data_tmp")
	previous, _ := os.Readlink(link)
	if err := os.Symlink(filepath.Base(dated), next); err != nil {
		return err
	}
	if err := os.Rename(next, link); err != nil {
		return err
	}
	if err := relink(dir, tops); err != nil {
		return err
	}
	if previous == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(dir, previous))
}

// relink makes the names in dir exactly tops.
func relink(dir string, tops []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, "..") || slices.Contains(tops, name) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for _, top := range tops {
		link := filepath.Join(dir, top)
		if _, err := os.Lstat(link); err == nil {
			continue
		}
		if err := os.Symlink(filepath.Join("..data", top), link); err != nil {
			return err
		}
	}
	return nil
}
