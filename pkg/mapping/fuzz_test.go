package mapping_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// FuzzMap: no delivery makes the mapping panic, and what it accepts can be published.
func FuzzMap(f *testing.F) {
	f.Add("application/json", []byte(`{"type":"order.created","id":"1","time":"2020-09-21T17:25:38+02:00","data":{"a":1}}`))
	f.Add("application/json", []byte(`{"message":{"eventId":7,"events":[{"objectType":"a","eventType":"B"},{}]}}`))
	f.Add("application/x-www-form-urlencoded", []byte(`Topic=any.completed&MSG=%7B%22ResponseID%22%3A1%7D`))
	mappers := []*mapping.Mapper{mapper(f, plain), mapper(f, batch), mapper(f, formPost)}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		for _, m := range mappers {
			delivery := mapping.Delivery{Header: http.Header{"Content-Type": {contentType}}, Body: body}
			result := m.Map(delivery)
			if result.Outcome == mapping.Accepted && len(result.Events) == 0 {
				t.Fatal("accepted, but there is no event")
			}
			for _, e := range result.Events {
				if err := e.Validate(); err != nil {
					t.Fatal(err)
				}
				if len(e.Data) > 0 && !json.Valid(e.Data) {
					t.Fatalf("no JSON: %q", e.Data)
				}
				if !json.Valid(e.AppendStructured(nil)) {
					t.Fatalf("no JSON: %q", e.AppendStructured(nil))
				}
			}
			if again := m.Map(m.Reduce(delivery)); again.Outcome != result.Outcome || len(again.Events) != len(result.Events) {
				t.Fatalf("a replay gives %s instead of %s", again.Outcome, result.Outcome)
			}
		}
	})
}
