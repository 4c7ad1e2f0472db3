package sandbox

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
)

// objects are the rendered manifests that a sandbox works with, by what it does with them.
type objects struct {
	// apply are all manifests, for the simulated Kubernetes API.
	apply        []provision.Manifest
	services     []*corev1.Service
	deployments  []*appsv1.Deployment
	statefulSets []*appsv1.StatefulSet
	cronJobs     []*batchv1.CronJob
	jobs         []*batchv1.Job
	pods         []*corev1.Pod
	exposures    []exposure
}

// decode reads manifests strictly: a field that Kubernetes does not know is an error.
func decode(manifests []provision.Manifest, namespace string) (*objects, error) {
	out := &objects{apply: manifests}
	for _, m := range manifests {
		if err := out.add(m, namespace); err != nil {
			return nil, fmt.Errorf("manifest %s %s (%s): %w", m.Kind, m.Name, m.Source, err)
		}
	}
	return out, nil
}

func (o *objects) add(m provision.Manifest, namespace string) error {
	switch m.APIVersion + " " + m.Kind {
	case "v1 Service":
		return into(m, &o.services)
	case "v1 Pod":
		if err := into(m, &o.pods); err != nil {
			return err
		}
		last(o.pods).Namespace = namespace
	case "apps/v1 Deployment":
		if err := into(m, &o.deployments); err != nil {
			return err
		}
		last(o.deployments).Namespace = namespace
	case "apps/v1 StatefulSet":
		if err := into(m, &o.statefulSets); err != nil {
			return err
		}
		last(o.statefulSets).Namespace = namespace
	case "batch/v1 Job":
		if err := into(m, &o.jobs); err != nil {
			return err
		}
		last(o.jobs).Namespace = namespace
	case "batch/v1 CronJob":
		if err := into(m, &o.cronJobs); err != nil {
			return err
		}
		last(o.cronJobs).Namespace = namespace
	case "batch/v1beta1 CronJob":
		// The same fields as far as they are used here.
		if err := into(m, &o.cronJobs); err != nil {
			return err
		}
		last(o.cronJobs).Namespace = namespace
	case "networking.k8s.io/v1 Ingress":
		var ingress networkingv1.Ingress
		if err := yaml.UnmarshalStrict(m.Content, &ingress); err != nil {
			return err
		}
		o.exposures = append(o.exposures, ingressExposures(&ingress)...)
	default:
		if m.Kind != "APIRule" {
			return nil
		}
		e, err := apiRuleExposure(m)
		if err != nil {
			return err
		}
		o.exposures = append(o.exposures, e)
	}
	return nil
}

func into[T any](m provision.Manifest, list *[]*T) error {
	object := new(T)
	if err := yaml.UnmarshalStrict(m.Content, object); err != nil {
		return err
	}
	*list = append(*list, object)
	return nil
}

func last[T any](list []T) T { return list[len(list)-1] }

// namespaceOf is where a manifest's object lives: where it says, else where the release does.
func namespaceOf(m provision.Manifest, releaseNamespace string) string {
	var object struct {
		Metadata struct {
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	if yaml.Unmarshal(m.Content, &object) == nil && object.Metadata.Namespace != "" {
		return object.Metadata.Namespace
	}
	return releaseNamespace
}
