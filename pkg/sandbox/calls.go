package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// withoutCredentials is what the report says of an API to which Kyma cannot sign in.
const withoutCredentials = "registered without credentials"

// callAPIs calls every registered API through the simulated Application Gateway: at the path that the definition
// probes it by, since many an API has nothing at its root.
func (t *trial) callAPIs(ctx context.Context) (string, error) {
	var errs []error
	for _, s := range t.status.Services {
		if s.URL == "" || s.Kind == "events" || s.Outcome == "skipped" || s.Outcome == "failed" {
			continue
		}
		address := s.URL + t.probedPath(s.ID, s.Target)
		status, err := t.callAPI(ctx, address)
		t.report.Calls = append(t.report.Calls, Call{API: s.Name, URL: address, Status: status})
		if unsigned := strings.Contains(s.Note, withoutCredentials); unsigned && status == http.StatusUnauthorized {
			continue // as the report says: who calls it has to sign in
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s at %s: %w", s.Name, address, err))
		}
	}
	return fmt.Sprintf("%d called", len(t.report.Calls)), errors.Join(errs...)
}

// helmTest runs the release's tests. Where one verifies the registration, it must have called the APIs as a workload does,
// through Kyma's gateway.
func (t *trial) helmTest(ctx context.Context) (string, error) {
	before := len(t.sandbox.kyma.Calls(simulator.PartGateway))
	ran, err := t.sandbox.runHooks(ctx, "test")
	if err != nil {
		return "", err
	}
	made := len(t.sandbox.kyma.Calls(simulator.PartGateway)) - before
	summary := fmt.Sprintf("%d run, %d calls through Kyma's gateway", ran, made)
	if ran > 0 && len(t.registrations()) > 0 && made < len(t.report.Calls) {
		return "", fmt.Errorf("%s, but %d APIs are registered: verify has not called them all", summary, len(t.report.Calls))
	}
	return summary, nil
}

// probedPath is where the definition probes an API by a GET, as seen from where Kyma forwards its calls to; empty
// where it says nothing of that kind.
func (t *trial) probedPath(id, target string) string {
	i := slices.IndexFunc(t.Definition.APIs, func(a connector.API) bool { return a.ID == id && a.Discover == nil })
	in := t.own.Input()
	if i < 0 {
		// A discovered one: all that is known of its item is the id.
		i = slices.IndexFunc(t.Definition.APIs, func(a connector.API) bool { return a.Discover != nil })
		in.Item, _ = json.Marshal(map[string]string{"id": id})
	}
	if i < 0 {
		return ""
	}
	probe := t.Definition.APIs[i].Probe
	if probe == nil || !probe.Path.IsSet() || probe.Method != "" && probe.Method != http.MethodGet {
		return ""
	}
	path, err := probe.Path.Text(in)
	if err != nil {
		return ""
	}
	base, err := t.Definition.System.URL.Text(t.own.Input())
	if err != nil {
		return ""
	}
	address := strings.TrimRight(base, "/") + "/" + strings.TrimLeft(path, "/")
	if rest, below := strings.CutPrefix(address, strings.TrimRight(target, "/")); below {
		return rest
	}
	return ""
}

func (t *trial) callAPI(ctx context.Context, url string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := t.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return response.StatusCode, err
	}
	if response.StatusCode >= 300 {
		return response.StatusCode, fmt.Errorf("answers %d: %.300s", response.StatusCode, body)
	}
	return response.StatusCode, nil
}
