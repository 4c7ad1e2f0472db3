package appregistry

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// noteTokenParameters is what has to be known where the registry forgets a part of the token call.
const noteTokenParameters = "this Application Registry (of Kyma before 1.9) does not keep the headers and further fields of the token call, so that Kyma's gateway asks for tokens without them: " +
	"workloads cannot call the API where the system insists on them"

// Notes implements registration.Noter. It reads one service back, to see what this registry keeps.
func (c *Catalog) Notes(ctx context.Context, registered []registration.Service) (all []string, each map[string]string) {
	var concerned []registration.Service
	for _, s := range registered {
		if updatesTwice(s) {
			concerned = append(concerned, s)
		}
	}
	if len(concerned) == 0 || !c.forgetsTokenParameters(ctx, concerned[0]) {
		return nil, nil
	}
	each = map[string]string{}
	for _, s := range concerned {
		each[s.ID] = noteTokenParameters
	}
	return nil, each
}

// forgetsTokenParameters says whether the registry has a service without the parameters of its token call. Where it does
// not tell, it counts as one that keeps them.
func (c *Catalog) forgetsTokenParameters(ctx context.Context, s registration.Service) bool {
	c.mu.Lock()
	id := c.ids[s.Identifier]
	c.mu.Unlock()
	if id == "" {
		return false
	}
	answer, err := c.options.HTTP.Do(ctx, httpclient.Request{URL: c.options.URL + "/services/" + id, MaxBody: maxList})
	if err != nil || answer.Status != http.StatusOK {
		return false
	}
	var held struct {
		API struct {
			Credentials struct {
				OAuth *struct {
					RequestParameters *struct{} `json:"requestParameters"`
				} `json:"oauth"`
			} `json:"credentials"`
		} `json:"api"`
	}
	if json.Unmarshal(answer.Body, &held) != nil || held.API.Credentials.OAuth == nil {
		return false
	}
	return held.API.Credentials.OAuth.RequestParameters == nil
}
