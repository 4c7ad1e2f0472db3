package sandbox

import "github.com/kyma-connectors/kyma-connectors/pkg/simulator"

// Capabilities are what a chart learns of the simulated cluster: the version of Kubernetes, and the kinds
// that are there besides those of Kubernetes itself.
func Capabilities(generation simulator.Generation) (kubeVersion string, kinds []string) {
	if generation == simulator.Old {
		return "1.20.7", []string{
			"applicationconnector.kyma-project.io/v1alpha1/Application",
			"eventing.kyma-project.io/v1alpha1/Subscription",
			"gateway.kyma-project.io/v1alpha1/APIRule",
			"security.istio.io/v1beta1/AuthorizationPolicy",
		}
	}
	return "1.36.3", []string{
		"applicationconnector.kyma-project.io/v1alpha1/Application",
		"eventing.kyma-project.io/v1alpha2/Subscription",
		"gateway.kyma-project.io/v2/APIRule",
		"operator.kyma-project.io/v1alpha1/APIGateway",
		"operator.kyma-project.io/v1alpha1/ApplicationConnector",
		"operator.kyma-project.io/v1alpha1/Eventing",
		"operator.kyma-project.io/v1alpha2/Istio",
		"security.istio.io/v1/AuthorizationPolicy",
	}
}
