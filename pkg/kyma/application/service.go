package application

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// labelEntry is a digest of what Kyma's gateway reads of a service: it shows whether somebody changed it.
const labelEntry = "kyma-connectors.io/entry"

// element is one member of spec.services.
type element map[string]any

// servicesOf returns the services of an Application as they are stored. A nil object has none.
func servicesOf(object *unstructured.Unstructured) []element {
	if object == nil {
		return nil
	}
	list, _, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "services")
	items, _ := list.([]any)
	services := make([]element, 0, len(items))
	for _, item := range items {
		service, _ := item.(map[string]any)
		services = append(services, service)
	}
	return services
}

func (e element) text(field string) string {
	text, _ := e[field].(string)
	return text
}

// labels returns a copy of the labels.
func (e element) labels() map[string]string {
	labels := map[string]string{}
	stored, _ := e["labels"].(map[string]any)
	for key, value := range stored {
		if text, ok := value.(string); ok {
			labels[key] = text
		}
	}
	return labels
}

func (e element) instance() string { return e.labels()[registration.LabelInstance] }

func (e element) entries() []map[string]any {
	list, _ := e["entries"].([]any)
	entries := make([]map[string]any, 0, len(list))
	for _, item := range list {
		entry, _ := item.(map[string]any)
		entries = append(entries, entry)
	}
	return entries
}

// secretKeys returns the names of the Secrets that the entries refer to, and the keys that each must have.
func (e element) secretKeys() map[string][]string {
	found := map[string][]string{}
	for _, entry := range e.entries() {
		credentials, _ := entry["credentials"].(map[string]any)
		if name, _ := credentials["secretName"].(string); name != "" {
			switch credentials["type"] {
			case kindBasic:
				found[name] = []string{"username", "password"}
			case kindOAuth:
				found[name] = []string{"clientId", "clientSecret"}
			case kindCertificate:
				found[name] = []string{"crt", "key"}
			default:
				found[name] = nil
			}
		}
		if name, _ := entry["requestParametersSecretName"].(string); name != "" {
			found[name] = nil
		}
	}
	return found
}

// secrets returns the names of the Secrets that the entries refer to.
func (e element) secrets() []string { return sortedKeys(e.secretKeys()) }

// digest covers the display name and, of the entries, what Kyma's gateway reads.
func (e element) digest() string {
	fields := []any{e.text("displayName")}
	for _, entry := range e.entries() {
		credentials, _ := entry["credentials"].(map[string]any)
		csrf, _ := credentials["csrfInfo"].(map[string]any)
		fields = append(fields, entry["type"], entry["targetUrl"], entry["requestParametersSecretName"],
			credentials["type"], credentials["secretName"], credentials["authenticationUrl"], csrf["tokenEndpointURL"])
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return "" // not JSON: it is not what was written
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:10])
}

// isOData says whether the service is an OData API.
func (e element) isOData() bool {
	for _, entry := range e.entries() {
		if kind, _ := entry["apiType"].(string); strings.EqualFold(kind, "odata") {
			return true
		}
	}
	return false
}

// newElement is the service as it is stored. Fields that the resource definition does not know would be
// dropped without a word, so these are exactly its own.
func newElement(options Options, s registration.Service, secrets secretsOf) element {
	labels := make(map[string]any, len(s.Labels)+1)
	for key, value := range s.Labels {
		labels[key] = value
	}
	description := s.Description
	if description == "" {
		description = s.DisplayName
	}
	service := element{
		"id":                  s.ID,
		"identifier":          s.Identifier,
		"name":                registration.ServiceName(s.DisplayName, s.ID),
		"displayName":         s.DisplayName,
		"providerDisplayName": s.Provider,
		"description":         description,
		"longDescription":     description,
		"tags":                []any{},
		"labels":              labels,
		"entries":             []any{newEntry(options, s, secrets)},
	}
	labels[labelEntry] = service.digest()
	return service
}

func newEntry(options Options, s registration.Service, secrets secretsOf) map[string]any {
	if s.API == nil {
		return map[string]any{"type": "Events"}
	}
	entry := map[string]any{
		"type":              "API",
		"targetUrl":         s.API.TargetURL,
		"apiType":           apiType(s.API.Kind),
		"centralGatewayUrl": options.Gateway + "/" + options.Application + "/" + registration.URLSegment(s.DisplayName),
	}
	if s.API.SpecificationURL != "" {
		entry["specificationUrl"] = s.API.SpecificationURL
	}
	if secrets.credentials != nil {
		credentials := map[string]any{"type": secrets.kind, "secretName": secrets.credentials.name}
		if s.API.Credentials.OAuth != nil {
			credentials["authenticationUrl"] = s.API.Credentials.OAuth.TokenURL
		}
		if s.API.CSRFTokenURL != "" {
			credentials["csrfInfo"] = map[string]any{"tokenEndpointURL": s.API.CSRFTokenURL}
		}
		entry["credentials"] = credentials
	}
	if secrets.parameters != nil {
		entry["requestParametersSecretName"] = secrets.parameters.name
	}
	return entry
}

func apiType(kind connector.APIKind) string {
	if kind == connector.KindOData {
		return "ODATA"
	}
	return "OPEN_API"
}
