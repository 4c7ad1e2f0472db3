package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Limits of a fetched specification: what is read, what is kept to be shown again, and the time.
const (
	maxSpecification  = 64 << 20
	keptSpecification = 1 << 20
	specificationTime = 20 * time.Second
)

func (g *registry) stored(id string) storedSpecs {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.specs[id]
}

// storeSpecs fetches the API's specification where that is the registry's task, and puts everything into
// the asset store.
func (g *registry) storeSpecs(ctx context.Context, application, id string, d serviceDetails) *registryError {
	specs := storedSpecs{Documentation: d.Documentation}
	if d.Events != nil {
		specs.Events = d.Events.Spec
	}
	if d.API != nil {
		spec, err := g.apiSpec(ctx, d.API)
		if err != nil {
			return registryErrorf(http.StatusBadGateway, "Determining API spec for service with ID %s failed, %s", id, err)
		}
		specs.API = throughGateway(spec, resourceName(application, id)+"."+integrationNamespace+".svc.cluster.local")
	}
	if g.kyma.options.NoSpecificationStore && !specs.empty() {
		return registryErrorf(http.StatusInternalServerError, "")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.specs[id] = specs
	return nil
}

// apiSpec is the specification sent along, or else fetched: from the address given, or for OData from
// $metadata below the target, for which the API's own credentials are not used.
func (g *registry) apiSpec(ctx context.Context, api *serviceAPI) (json.RawMessage, error) {
	if len(api.Spec) > 0 && string(api.Spec) != "null" {
		return api.Spec, nil
	}
	address := api.SpecificationURL
	if address == "" && strings.EqualFold(api.APIType, "odata") {
		address = strings.TrimSuffix(api.TargetURL, "/") + "/$metadata"
	}
	if address == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, specificationTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("creating request for fetching API spec from %s failed, %w", address, err)
	}
	if err := g.signSpecificationRequest(req, api); err != nil {
		return nil, err
	}
	resp, err := g.kyma.options.SystemClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetching API spec from %s failed, %w", address, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching API spec from %s failed with status %s", address, resp.Status)
	}
	kept, err := io.ReadAll(io.LimitReader(resp.Body, keptSpecification))
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxSpecification))
	}
	if err != nil {
		return nil, fmt.Errorf("failed to read response body from %s", address)
	}
	if json.Valid(kept) {
		return kept, nil
	}
	text, err := json.Marshal(string(kept)) // what is no JSON is shown as text
	return text, err
}

func (g *registry) signSpecificationRequest(req *http.Request, api *serviceAPI) error {
	if p := api.SpecificationRequestParameters; !p.empty() {
		values := map[string]string{}
		for key, value := range parameterValues(p) {
			values[key], _ = value.(string)
		}
		if err := addParameters(req, values); err != nil {
			return err
		}
	}
	c := api.SpecificationCredentials
	if c != nil && c.Basic != nil {
		req.SetBasicAuth(c.Basic.Username, c.Basic.Password)
	}
	if c != nil && c.OAuth != nil {
		values := map[string]string{"clientId": c.OAuth.ClientID, "clientSecret": c.OAuth.ClientSecret}
		token, err := g.kyma.gateway.accessToken(req, c.OAuth.URL, values, true)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// throughGateway lets a Swagger 2.0 document point to the gateway; other documents stay as they are.
func throughGateway(spec json.RawMessage, host string) json.RawMessage {
	var document map[string]json.RawMessage
	if json.Unmarshal(spec, &document) != nil || string(document["swagger"]) != `"2.0"` {
		return spec
	}
	document["host"], document["basePath"], document["schemes"] = json.RawMessage(`"`+host+`"`), json.RawMessage(`""`), json.RawMessage(`["http"]`)
	rewritten, err := json.Marshal(document)
	if err != nil {
		return spec
	}
	return rewritten
}
