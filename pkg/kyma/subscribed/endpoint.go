package subscribed

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// Endpoint asks the publisher or, in Kyma 1, the event service of the Application. Both answer only inside
// the mesh.
type Endpoint struct {
	// HTTP makes the calls.
	HTTP *httpclient.Client
	// URL is the address without a path, such as "http://eventing-publisher-proxy.kyma-system".
	URL string
	// Application is the source of the events.
	Application string
}

// Types returns the types of the Application that are subscribed to. Whether their Subscriptions are ready is
// not said; they count as ready. The error wraps ErrUnknown where this Kyma cannot be asked.
func (e Endpoint) Types(ctx context.Context) ([]Type, error) {
	// Types with a prefix are listed under the Application's clean name.
	names := []string{e.Application}
	if clean := event.CleanApplication(e.Application); clean != e.Application {
		names = append(names, clean)
	}
	var types []Type
	for _, name := range names {
		found, err := e.ask(ctx, name)
		if err != nil {
			return nil, err
		}
		types = append(types, found...)
	}
	return types, nil
}

func (e Endpoint) ask(ctx context.Context, application string) ([]Type, error) {
	answer, err := e.HTTP.Do(ctx, httpclient.Request{URL: strings.TrimRight(e.URL, "/") + "/" + url.PathEscape(application) + "/v1/events/subscribed"})
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask for subscribed event types: %w", err)
	case answer.Status == http.StatusNotFound, answer.Status == http.StatusMethodNotAllowed:
		return nil, fmt.Errorf("%w (%s answers %d)", ErrUnknown, httpclient.Address(e.URL), answer.Status)
	case answer.Status != http.StatusOK:
		return nil, fmt.Errorf("ask for subscribed event types: %s answers %d", httpclient.Address(e.URL), answer.Status)
	}
	var list struct {
		EventsInfo []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"eventsInfo"`
	}
	if json.Unmarshal(answer.Body, &list) != nil || list.EventsInfo == nil {
		return nil, fmt.Errorf("ask for subscribed event types: the answer of %s is not understood", httpclient.Address(e.URL))
	}
	types := make([]Type, 0, len(list.EventsInfo))
	for _, info := range list.EventsInfo {
		types = append(types, Type{Name: event.Event{Type: info.Name, Version: info.Version}.FullType(), Merged: true, Ready: true})
	}
	return types, nil
}
