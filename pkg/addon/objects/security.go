package objects

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonvalue"
)

// Restricted says what keeps the pods of a document in YAML from running in a namespace that enforces the Pod Security
// Standard "restricted". It is empty for what makes no pods. object is as for Strict.
func (k *Kubernetes) Restricted(document []byte, object any) ([]string, error) {
	made, sure := empty(object)
	if sure && podTemplate(made) == nil {
		return nil, nil
	}
	if !sure || !jsonvalue.FillStrictly(object, made) {
		made = decode(document)
	}
	template := podTemplate(made)
	if template == nil {
		return nil, nil
	}
	evaluator, err := k.security()
	if err != nil {
		return nil, err
	}
	var out []string
	results := evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, &template.ObjectMeta, &template.Spec)
	for _, r := range results {
		if !r.Allowed {
			out = append(out, fmt.Sprintf("%s (%s)", r.ForbiddenReason, r.ForbiddenDetail))
		}
	}
	return out, nil
}

// podTemplate is the template of the pods that an object makes, nil where it makes none.
func podTemplate(object any) *corev1.PodTemplateSpec {
	switch o := object.(type) {
	case *corev1.Pod:
		return &corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *appsv1.ReplicaSet:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template
	default:
		return nil
	}
}
