package pod

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// FromTemplate makes a pod of a workload's template.
func FromTemplate(template corev1.PodTemplateSpec, namespace, name string) *corev1.Pod {
	out := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	out.Name, out.Namespace = name, namespace
	out.UID = types.UID("sandbox-" + name)
	return out
}

// OfDeployment are the pods of a Deployment.
func OfDeployment(d *appsv1.Deployment) []*corev1.Pod {
	return replicas(d.Spec.Replicas, func(i int) *corev1.Pod {
		return FromTemplate(d.Spec.Template, d.Namespace, fmt.Sprintf("%s-%d", d.Name, i))
	})
}

// OfStatefulSet are the pods of a StatefulSet, each with claims of its own.
func OfStatefulSet(s *appsv1.StatefulSet) []*corev1.Pod {
	return replicas(s.Spec.Replicas, func(i int) *corev1.Pod {
		name := fmt.Sprintf("%s-%d", s.Name, i)
		pod := FromTemplate(s.Spec.Template, s.Namespace, name)
		for _, claim := range s.Spec.VolumeClaimTemplates {
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{
				Name: claim.Name,
				VolumeSource: corev1.VolumeSource{
					PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + name},
				},
			})
		}
		return pod
	})
}

func replicas(n *int32, pod func(i int) *corev1.Pod) []*corev1.Pod {
	count := 1
	if n != nil {
		count = int(*n)
	}
	out := make([]*corev1.Pod, 0, count)
	for i := range count {
		out = append(out, pod(i))
	}
	return out
}
