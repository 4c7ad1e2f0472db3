package simulator

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// resources are the kinds of objects of one cluster.
type resources struct {
	secrets, configMaps, services, deployments *kube.Resource
	applications, subscriptions, apiRules      *kube.Resource
	modules                                    []*kube.Resource
	eventings                                  *kube.Resource
	triggers                                   *kube.Resource // nil without Knative
}

func newResources(generation Generation, knative bool) resources {
	r := resources{
		secrets: kube.Secrets(), configMaps: kube.ConfigMaps(), services: kube.Services(), deployments: kube.Deployments(),
		applications: &kube.Resource{
			Group: "applicationconnector.kyma-project.io", Version: "v1alpha1",
			Plural: "applications", Singular: "application", Kind: "Application", ShortNames: []string{"app"}, Custom: true,
		},
		subscriptions: &kube.Resource{
			Group: "eventing.kyma-project.io", Plural: "subscriptions", Singular: "subscription", Kind: "Subscription",
			Namespaced: true, Custom: true, StatusSubresource: true,
		},
		apiRules: &kube.Resource{
			Group: "gateway.kyma-project.io", Plural: "apirules", Singular: "apirule", Kind: "APIRule",
			Namespaced: true, Custom: true, StatusSubresource: true,
		},
	}
	if generation == Old {
		r.applications.Control = installed
		r.subscriptions.Version, r.apiRules.Version = "v1alpha1", "v1alpha1"
		r.subscriptions.Control = func(o kube.Object) { o.Set(true, "status", "ready") }
		if knative {
			r.triggers = triggers()
		}
		return r
	}
	r.applications.Schema = applicationSchema()
	r.subscriptions.Version, r.apiRules.Version = "v1alpha2", "v2"
	r.subscriptions.Schema = subscriptionSchema()
	r.apiRules.Control = func(o kube.Object) { o.Set("Ready", "status", "state") }
	module := func(plural, singular, kind, version string) *kube.Resource {
		resource := &kube.Resource{
			Group: "operator.kyma-project.io", Version: version, Plural: plural, Singular: singular, Kind: kind,
			Namespaced: true, Custom: true, StatusSubresource: true,
		}
		r.modules = append(r.modules, resource)
		return resource
	}
	module("applicationconnectors", "applicationconnector", "ApplicationConnector", "v1alpha1")
	r.eventings = module("eventings", "eventing", "Eventing", "v1alpha1")
	module("apigateways", "apigateway", "APIGateway", "v1alpha1")
	module("istios", "istio", "Istio", "v1alpha2")
	return r
}

func (r resources) all() []*kube.Resource {
	all := append([]*kube.Resource{r.secrets, r.configMaps, r.services, r.deployments, r.applications, r.subscriptions, r.apiRules}, r.modules...)
	if r.triggers != nil {
		all = append(all, r.triggers)
	}
	return all
}

// installed is what the application operator of older versions says when it has installed the parts
// that belong to an Application.
func installed(o kube.Object) {
	if !o.Bool("spec", "skipInstallation") {
		o.Set("DEPLOYED", "status", "installationStatus", "status")
		o.Set("Installation complete", "status", "installationStatus", "description")
	}
}

// applicationSchema is the Application of today: whatever is not listed is pruned without a word.
func applicationSchema() *kube.Schema {
	text := &kube.Schema{Type: "string"}
	texts := &kube.Schema{Type: "array", Items: text}
	labels := &kube.Schema{Type: "object", Values: text, Nullable: true}
	boolean := &kube.Schema{Type: "boolean"}
	entry := &kube.Schema{Type: "object", Required: []string{"type"}, Properties: map[string]*kube.Schema{
		"type": {Type: "string", Enum: []string{"API", "Events"}},
		"id":   text, "name": text, "targetUrl": text, "centralGatewayUrl": text, "gatewayUrl": text, "accessLabel": text,
		"specificationUrl": text, "apiType": text, "requestParametersSecretName": text,
		"credentials": {Type: "object", Required: []string{"secretName", "type"}, Properties: map[string]*kube.Schema{
			"type": text, "secretName": text, "authenticationUrl": text,
			"csrfInfo": {Type: "object", Required: []string{"tokenEndpointURL"}, Properties: map[string]*kube.Schema{"tokenEndpointURL": text}},
		}},
	}}
	service := &kube.Schema{Type: "object", Required: []string{"description", "displayName", "entries", "id", "name", "providerDisplayName"},
		Properties: map[string]*kube.Schema{
			"id": text, "name": text, "displayName": text, "providerDisplayName": text, "description": text, "longDescription": text,
			"identifier": text, "labels": labels, "tags": texts, "authCreateParameterSchema": text,
			"entries": {Type: "array", Items: entry},
		}}
	return &kube.Schema{Type: "object", Properties: map[string]*kube.Schema{
		"apiVersion": {}, "kind": {}, "metadata": {},
		"spec": {Type: "object", Properties: map[string]*kube.Schema{
			"description": text, "displayName": text, "providerDisplayName": text, "longDescription": text, "group": text, "tenant": text,
			"tags": texts, "labels": labels, "skipInstallation": boolean, "skipVerify": boolean,
			"encodeUrl":   {Type: "boolean", Default: true},
			"accessLabel": {Type: "string", MaxLength: 63, Pattern: regexp.MustCompile(`^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$`)},
			"compassMetadata": {Type: "object", Properties: map[string]*kube.Schema{
				"applicationId":  text,
				"authentication": {Type: "object", Required: []string{"clientIds"}, Properties: map[string]*kube.Schema{"clientIds": texts}},
			}},
			"services": {Type: "array", Items: service},
		}},
		"status": {Type: "object", Properties: map[string]*kube.Schema{
			"installationStatus": {Type: "object", Required: []string{"status"}, Properties: map[string]*kube.Schema{"status": text, "description": text}},
		}},
	}}
}

// subscriptionSchema is Subscription v1alpha2. What it leaves open, the controller checks (see judge).
func subscriptionSchema() *kube.Schema {
	text := &kube.Schema{Type: "string"}
	return &kube.Schema{Type: "object", Properties: map[string]*kube.Schema{
		"apiVersion": {}, "kind": {}, "metadata": {}, "status": {},
		"spec": {Type: "object", Required: []string{"sink", "source", "types"}, Properties: map[string]*kube.Schema{
			"sink": text, "source": text, "id": text, "types": {Type: "array", Items: text},
			"typeMatching": {Type: "string", Default: "standard"},
			"config":       {Type: "object", Values: text, Default: map[string]any{"maxInFlightMessages": "10"}},
		}},
	}}
}

// judge is the controller of Subscription v1alpha2: it checks what the schema cannot and says in the
// status whether events will be delivered. Unlike the real one it does not ask whether the sink exists.
func judge(o kube.Object) {
	problem := subscriptionProblem(o)
	condition := map[string]any{"type": "Subscription active", "status": "True", "reason": "NATS Subscription active"}
	if problem != "" {
		condition["status"], condition["reason"], condition["message"] = "False", "Validation failed", problem
	}
	types := []any{}
	for _, item := range o.List("spec", "types") {
		eventType, _ := item.(string)
		types = append(types, map[string]any{"originalType": eventType, "cleanType": keepRunes(eventType, func(r rune) bool { return !strings.ContainsRune(" \t>*/\\", r) })})
	}
	o.Set(problem == "", "status", "ready")
	o.Set([]any{condition}, "status", "conditions")
	o.Set(types, "status", "types")
}

func subscriptionProblem(o kube.Object) string {
	exact := o.Text("spec", "typeMatching") == "exact"
	if !exact && o.Text("spec", "source") == "" {
		return "spec.source: must not be empty"
	}
	if matching := o.Text("spec", "typeMatching"); !exact && matching != "standard" {
		return "spec.typeMatching: must be standard or exact, is " + matching
	}
	types := o.List("spec", "types")
	if len(types) == 0 {
		return "spec.types: must not be empty"
	}
	seen := map[string]bool{}
	for _, item := range types {
		eventType, _ := item.(string)
		switch {
		case seen[eventType]:
			return "spec.types: must not have duplicates: " + eventType
		case strings.Count(eventType, ".") == 0:
			return "spec.types: must have at least 2 segments: " + eventType
		case !exact && strings.HasPrefix(eventType, typePrefix):
			return "spec.types: must not have the prefix " + typePrefix + ": " + eventType
		}
		seen[eventType] = true
	}
	sink, err := url.Parse(o.Text("spec", "sink"))
	if err != nil || sink.Scheme != "http" && sink.Scheme != "https" {
		return "spec.sink: must be an http or https URL"
	}
	labels := strings.Split(sink.Hostname(), ".")
	if len(labels) != 5 || !strings.HasSuffix(sink.Hostname(), ".svc.cluster.local") {
		return "spec.sink: the host must be <service>.<namespace>.svc.cluster.local"
	}
	if labels[1] != o.Namespace() {
		return "spec.sink: must be in the namespace of the Subscription"
	}
	return ""
}
