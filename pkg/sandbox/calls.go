package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// callAPIs calls every registered API through the simulated Application Gateway.
func (t *trial) callAPIs(ctx context.Context) (string, error) {
	var errs []error
	for _, s := range t.status.Services {
		if s.URL == "" || s.Kind == "events" || s.Outcome == "skipped" || s.Outcome == "failed" {
			continue
		}
		status, err := t.callAPI(ctx, s.URL)
		t.report.Calls = append(t.report.Calls, Call{API: s.Name, URL: s.URL, Status: status})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s at %s: %w", s.Name, s.URL, err))
		}
	}
	return fmt.Sprintf("%d called", len(t.report.Calls)), errors.Join(errs...)
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
