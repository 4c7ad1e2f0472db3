package pod

import (
	"context"
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// variable is one environment variable. Literal ones stand in the manifest, so paths and addresses in
// them may be rewritten; the others come from objects and stay as they are.
type variable struct {
	name, value string
	literal     bool
}

// environment resolves a container's variables in Kubernetes' order: envFrom first, then env, where a
// later one wins and may refer to earlier ones as $(NAME).
func (m *Machine) environment(ctx context.Context, pod *corev1.Pod, container *corev1.Container) ([]variable, error) {
	var out []variable
	set := func(v variable) {
		for i := range out {
			if out[i].name == v.name {
				out[i] = v
				return
			}
		}
		out = append(out, v)
	}
	for _, source := range container.EnvFrom {
		data, err := m.envFrom(ctx, pod.Namespace, source)
		if err != nil {
			return nil, err
		}
		keys := make([]string, 0, len(data))
		for key := range data {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		for _, key := range keys {
			set(variable{name: source.Prefix + key, value: string(data[key])})
		}
	}
	for _, env := range container.Env {
		if env.ValueFrom == nil {
			set(variable{name: env.Name, value: expand(env.Value, out), literal: true})
			continue
		}
		value, found, err := m.valueFrom(ctx, pod, container, env.ValueFrom)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", env.Name, err)
		}
		if found {
			set(variable{name: env.Name, value: value})
		}
	}
	return out, nil
}

func (m *Machine) envFrom(ctx context.Context, namespace string, source corev1.EnvFromSource) (map[string][]byte, error) {
	switch {
	case source.SecretRef != nil:
		return m.secretFiles(ctx, namespace, source.SecretRef.Name, nil, source.SecretRef.Optional)
	case source.ConfigMapRef != nil:
		return m.configMapFiles(ctx, namespace, source.ConfigMapRef.Name, nil, source.ConfigMapRef.Optional)
	}
	return nil, nil
}

func (m *Machine) valueFrom(ctx context.Context, pod *corev1.Pod, container *corev1.Container, source *corev1.EnvVarSource) (value string, found bool, err error) {
	switch {
	case source.FieldRef != nil:
		value, err = podField(pod, source.FieldRef.FieldPath)
		return value, err == nil, err
	case source.ResourceFieldRef != nil:
		value, err = resourceField(container, source.ResourceFieldRef)
		return value, err == nil, err
	case source.SecretKeyRef != nil:
		ref := source.SecretKeyRef
		data, err := m.secretFiles(ctx, pod.Namespace, ref.Name, []corev1.KeyToPath{{Key: ref.Key, Path: ref.Key}}, ref.Optional)
		text, ok := data[ref.Key]
		return string(text), ok, err
	case source.ConfigMapKeyRef != nil:
		ref := source.ConfigMapKeyRef
		data, err := m.configMapFiles(ctx, pod.Namespace, ref.Name, []corev1.KeyToPath{{Key: ref.Key, Path: ref.Key}}, ref.Optional)
		text, ok := data[ref.Key]
		return string(text), ok, err
	}
	return "", false, fmt.Errorf("this kind of source is not known")
}

// podField reads the fields that the downward API offers.
func podField(pod *corev1.Pod, path string) (string, error) {
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "spec.nodeName":
		return "sandbox", nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.podIP", "status.hostIP", "status.podIPs", "status.hostIPs":
		return loopback, nil
	}
	for prefix, values := range map[string]map[string]string{"metadata.labels['": pod.Labels, "metadata.annotations['": pod.Annotations} {
		if key, ok := strings.CutPrefix(path, prefix); ok {
			return values[strings.TrimSuffix(key, "']")], nil
		}
	}
	return "", fmt.Errorf("field %s of a pod is not known", path)
}

// resourceField reads a limit or request of the container itself, in units of the divisor, rounded up.
func resourceField(container *corev1.Container, ref *corev1.ResourceFieldSelector) (string, error) {
	var list corev1.ResourceList
	kind, name, _ := strings.Cut(ref.Resource, ".")
	switch kind {
	case "limits":
		list = container.Resources.Limits
	case "requests":
		list = container.Resources.Requests
	}
	quantity, ok := list[corev1.ResourceName(name)]
	if !ok {
		return "", fmt.Errorf("the container sets no %s", ref.Resource)
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if corev1.ResourceName(name) == corev1.ResourceCPU {
		return fmt.Sprint((quantity.MilliValue() + divisor.MilliValue() - 1) / divisor.MilliValue()), nil
	}
	return fmt.Sprint((quantity.Value() + divisor.Value() - 1) / divisor.Value()), nil
}

// expand replaces $(NAME) by a variable's value; an unknown one stays, and $$(NAME) means $(NAME).
func expand(text string, variables []variable) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch {
		case strings.HasPrefix(rest, "$$"):
			out.WriteByte('$')
			i++
			continue
		case strings.HasPrefix(rest, "$("):
			if end := strings.IndexByte(rest, ')'); end > 0 {
				if value, ok := lookup(variables, rest[2:end]); ok {
					out.WriteString(value)
				} else {
					out.WriteString(rest[:end+1])
				}
				i += end
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

func lookup(variables []variable, name string) (string, bool) {
	for _, v := range variables {
		if v.name == name {
			return v.value, true
		}
	}
	return "", false
}
