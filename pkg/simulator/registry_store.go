package simulator

import (
	"context"
	"net/http"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// masked is what a caller sees of a stored secret. Who puts it back stores it literally.
const masked = "********"

// create is POST: the order of the steps, and what is left behind when one fails, are the real ones.
func (g *registry) create(ctx context.Context, write *registryWrite, application string, d serviceDetails) (any, *registryError) {
	app, problem := g.application(application)
	if problem != nil {
		return nil, problem
	}
	if d.Identifier != "" {
		for _, item := range app.List("spec", "services") {
			if object(item).Text("identifier") == d.Identifier {
				return nil, registryErrorf(http.StatusConflict, "Creating service failed, Service with Identifier %s already exists", d.Identifier)
			}
		}
	}
	id := kube.NewUID()
	entry, problem := g.writeAPI(app, id, d.API)
	if problem != nil {
		return nil, problem
	}
	if problem := g.storeSpecs(ctx, application, id, d); problem != nil {
		return nil, problem // the Service and the Secrets stay behind
	}
	service := newService(application, id, d.Identifier, d, entry)
	problem = g.change(write, application, func(services []any) []any { return append(services, map[string]any(service)) })
	if problem != nil {
		return nil, problem
	}
	return map[string]string{"id": id}, nil
}

// replace is PUT.
func (g *registry) replace(ctx context.Context, write *registryWrite, application, id string, d serviceDetails) (any, *registryError) {
	app, problem := g.application(application)
	if problem != nil {
		return nil, problem
	}
	old, _ := findService(app, id)
	if old == nil {
		return nil, registryErrorf(http.StatusNotFound, "Updating %s service failed, Service with ID %s not found", id, id)
	}
	if g.kyma.options.NoSpecificationStore && !g.stored(id).empty() {
		return nil, registryErrorf(http.StatusInternalServerError, "") // it reads the present one first
	}
	if d.API == nil {
		g.removeAPI(application, id)
	}
	entry, problem := g.writeAPI(app, id, d.API)
	if problem != nil {
		return nil, problem
	}
	if problem := g.storeSpecs(ctx, application, id, d); problem != nil {
		return nil, problem
	}
	service := newService(application, id, old.Text("identifier"), d, entry) // the identifier cannot be changed
	problem = g.change(write, application, func(services []any) []any {
		for i, item := range services {
			if object(item).Text("id") == id {
				services[i] = map[string]any(service)
			}
		}
		return services
	})
	if problem != nil {
		return nil, problem
	}
	return baseDetails(service, false), nil
}

// remove is DELETE; a service that does not exist is no error.
func (g *registry) remove(write *registryWrite, application, id string) *registryError {
	if _, problem := g.application(application); problem != nil {
		return problem
	}
	g.removeAPI(application, id)
	problem := g.change(write, application, func(services []any) []any {
		kept := []any{}
		for _, item := range services {
			if object(item).Text("id") != id {
				kept = append(kept, item)
			}
		}
		return kept
	})
	if problem == nil {
		g.mu.Lock()
		delete(g.specs, id)
		g.mu.Unlock()
	}
	return problem
}

// change edits the services of an Application, again when somebody else was faster by the Kubernetes API.
func (g *registry) change(write *registryWrite, application string, edit func([]any) []any) *registryError {
	if write.loses {
		return registryErrorf(http.StatusInternalServerError, "")
	}
	for range 5 {
		app, problem := g.application(application)
		if problem != nil {
			return problem
		}
		app.Set(edit(app.List("spec", "services")), "spec", "services")
		if app.At("status", "installationStatus") == nil {
			app.Set(map[string]any{"status": "", "description": ""}, "status", "installationStatus")
		}
		if _, err := g.kyma.cluster.Update(g.kyma.resources.applications, app); err == nil {
			return nil
		}
	}
	return registryErrorf(http.StatusInternalServerError, "")
}

// newService is a service as the Application resource has it.
func newService(application, id, identifier string, d serviceDetails, apiEntry map[string]any) kube.Object {
	entries := []any{}
	if apiEntry != nil {
		entries = append(entries, apiEntry)
	}
	if d.Events != nil {
		entries = append(entries, map[string]any{"type": "Events"})
	}
	labels := map[string]any{}
	for key, value := range d.Labels {
		labels[key] = value
	}
	labels["connected-app"] = application
	description := d.ShortDescription
	if description == "" {
		description = d.Description
	}
	return kube.Object{
		"id": id, "identifier": identifier, "name": serviceName(d.Name, id), "displayName": d.Name,
		"description": description, "longDescription": d.Description, "providerDisplayName": d.Provider,
		"labels": labels, "tags": []any{}, "entries": entries,
	}
}

// baseDetails are the fields of a service apart from API, events and documentation.
func baseDetails(service kube.Object, withID bool) map[string]any {
	base := map[string]any{
		"provider": service.Text("providerDisplayName"), "name": service.Text("displayName"), "description": service.Text("longDescription"),
	}
	if withID {
		base["id"] = service.Text("id")
	}
	if identifier := service.Text("identifier"); identifier != "" {
		base["identifier"] = identifier
	}
	if labels := service.Texts("labels"); len(labels) > 0 {
		base["labels"] = labels
	}
	return base
}

// writeAPI makes or replaces the objects that belong to an API and returns its entry; nil without an API.
func (g *registry) writeAPI(app kube.Object, id string, api *serviceAPI) (map[string]any, *registryError) {
	if api == nil {
		return nil, nil
	}
	name := resourceName(app.Name(), id)
	metadata := func(name string) map[string]any {
		return map[string]any{
			"name": name, "namespace": integrationNamespace,
			"labels": map[string]any{"app": app.Name(), "serviceId": id},
			"ownerReferences": []any{map[string]any{
				"apiVersion": g.kyma.resources.applications.APIVersion(), "kind": g.kyma.resources.applications.Kind, "name": app.Name(), "uid": app.UID(),
			}},
		}
	}
	accessService := kube.Object{"metadata": metadata(name), "spec": map[string]any{
		"ports":    []any{map[string]any{"name": "http", "port": 80, "targetPort": 8080}},
		"selector": map[string]any{"app": app.Name() + "-application-gateway"},
	}}
	if problem := g.upsert(g.kyma.resources.services, accessService); problem != nil {
		return nil, problem
	}
	entry := map[string]any{
		"type": "API", "gatewayUrl": "http://" + name + "." + integrationNamespace + ".svc.cluster.local", "accessLabel": name,
		"targetUrl": api.TargetURL, "specificationUrl": api.SpecificationURL, "apiType": api.APIType,
		"credentials": map[string]any{"type": "", "secretName": ""}, "requestParametersSecretName": "",
	}
	credentials, values, problem := g.credentialValues(name, api.Credentials)
	if problem != nil {
		return nil, problem
	}
	if credentials == nil {
		g.delete(g.kyma.resources.secrets, name)
	} else {
		entry["credentials"] = credentials
		if problem := g.upsert(g.kyma.resources.secrets, kube.Object{"metadata": metadata(name), "type": "Opaque", "stringData": values}); problem != nil {
			return nil, problem
		}
	}
	parameters, parametersName := api.RequestParameters, parametersName(name)
	if parameters == nil {
		parameters = &requestParameters{Headers: api.Headers, QueryParameters: api.QueryParameters}
	}
	if parameters.empty() {
		g.delete(g.kyma.resources.secrets, parametersName)
		return entry, nil
	}
	entry["requestParametersSecretName"] = parametersName
	return entry, g.upsert(g.kyma.resources.secrets, kube.Object{"metadata": metadata(parametersName), "type": "Opaque", "stringData": parameterValues(parameters)})
}

func parametersName(name string) string {
	name = "params-" + name
	if len(name) > 63 {
		name = name[:63]
	}
	return name
}

func (g *registry) removeAPI(application, id string) {
	name := resourceName(application, id)
	g.delete(g.kyma.resources.services, name)
	g.delete(g.kyma.resources.secrets, name)
	g.delete(g.kyma.resources.secrets, parametersName(name))
}

func (g *registry) delete(resource *kube.Resource, name string) {
	_ = g.kyma.cluster.Delete(resource, integrationNamespace, name) // that it is not there is as good
}

func (g *registry) upsert(resource *kube.Resource, o kube.Object) *registryError {
	_, err := g.kyma.cluster.Create(resource, o)
	if err != nil {
		_, err = g.kyma.cluster.Update(resource, o)
	}
	if err != nil {
		return registryErrorf(http.StatusInternalServerError, "")
	}
	return nil
}
