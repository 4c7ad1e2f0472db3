package subscription_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

const withResume = perTopic + `  resume:
    list: {get: ="/hooks/" + id + "/log", items: log, next: next, group: event, failed: =item("ok") == "no", limit: 5}
    call: {post: ="/hooks/" + id + "/log/" + item("try")}
    each: item
`

func TestResume(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withResume)
	var mu sync.Mutex
	var again []string
	log := map[string]string{
		// Newest first: a was repeated with success, b failed twice, c and d once; what comes after five is not looked at.
		"1": `{"log":[{"try":6,"event":"a","ok":"yes"},{"try":5,"event":"b","ok":"no"},{"try":4,"event":"a","ok":"no"}],"next":"/hooks/1/log?page=2"}`,
		"2": `{"log":[]}`,
	}
	status := http.StatusOK
	f.shop.before = func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/")
		switch {
		case len(parts) == 5 && r.Method == http.MethodPost:
			mu.Lock()
			defer mu.Unlock()
			again = append(again, r.URL.Path)
			w.WriteHeader(status)
		case len(parts) == 4 && r.URL.RawQuery != "":
			_, _ = fmt.Fprint(w, `{"log":[{"try":3,"event":"b","ok":"no"},{"try":2,"event":"c","ok":"no"},{"try":1,"event":"d","ok":"no"}]}`)
		case len(parts) == 4:
			_, _ = fmt.Fprint(w, log[parts[2]])
		}
	}
	report, rows := f.run(t)
	assert.Equal(t, []string{"registered orders/created", "registered orders/paid"}, rows)
	assert.Equal(t, []string{"/hooks/1/log/5", "/hooks/1/log/2"}, again)
	assert.Equal(t, []string{"webhooks: what the system could not deliver is sent again: 2"}, report.Notes)
	assert.Equal(t, 6, report.Writes)

	status, again = http.StatusForbidden, nil
	report, rows = f.run(t)
	assert.Equal(t, []string{"unchanged orders/created", "unchanged orders/paid", "failed webhooks: failed deliveries"}, rows)
	assert.Equal(t, registration.ClassUnauthorized, report.Items[2].Class)
	assert.Contains(t, report.Items[2].Reason, "what could not be delivered is not sent again: 2 of 2: ")

	f.options.Verify, again = true, nil
	_, rows = f.run(t)
	assert.Len(t, rows, 2)
	assert.Empty(t, again)
}
