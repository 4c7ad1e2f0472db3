package registrationjob_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const shopEvents = `asyncapi: 2.0.0
info: {title: Events, version: v1}
channels:
  order.created.v1: {}
  order.paid.v1: {}
`

// shopDefinition has APIs with shared credentials, with some of their own and with headers, an event catalog and
// webhooks.
func shopDefinition(apis ...string) string {
	return `apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: ten, displayName: Ten, provider: Acme, product: Acme}
parameters:
  system_url: {kind: url, title: System URL, required: true}
  user: {kind: text, title: User, required: true}
  password: {kind: secret, title: Password, required: true}
  other_password: {kind: secret, title: Another Password, required: true}
application: ten
policy: sync
system: {url: =param("system_url"), auth: {basic: {username: =param("user"), password: =param("password")}}}
apis:
` + strings.Join(apis, "\n") + `
events: {name: Events, description: What happens., catalog: events.yaml}
deliveries:
  - name: webhook
    http: {path: /ten}
    verify: {hmac: {algorithm: sha256, encoding: hex, keys: [=param("other_password")], message: =rawBody, signature: =header("X-Signature")}}
    types:
      - {when: =body("kind") == "created", type: order.created, topic: created}
      - {when: =body("kind") == "paid", type: order.paid, topic: paid}
    event: {id: =body("id"), data: =json()}
webhooks:
  list: {get: /hooks, items: hooks, id: id, callback: url, topic: topic}
  create: {post: /hooks, json: {url: =callback, topic: =topic, key: =param("other_password")}, id: id}
  delete: {delete: ="/hooks/" + id}
  recreateWhen: [other_password]
`
}

const (
	plainAPI  = `  - {id: api-1, name: API 1, kind: rest, path: /api/1, specification: {file: api.yaml}}`
	sharedAPI = `  - {id: api-2, name: API 2, kind: rest, path: /api/2}`
	ownAPI    = `  - {id: api-3, name: API 3, kind: rest, path: /api/3, auth: {basic: {username: other, password: =param("other_password")}}}`
	renamed   = `  - {id: api-2, name: API Two, kind: rest, path: /api/2, requestParameters: {headers: {X-Tenant: =param("password")}}}`
)

// left is everything that a run leaves in the cluster and at the system, without what differs from run to run.
func (s *stage) left(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	names := map[string]string{} // what the registry's Secrets are for, by the id of the service
	for name, service := range s.services(t) {
		names[service["id"].(string)] = name
		entries := fmt.Sprint(service["entries"])
		all["service "+name] = []any{service["identifier"], service["labels"], strings.ReplaceAll(entries, service["id"].(string), "<id>")}
	}
	for name, secret := range s.secrets(t) {
		for id, service := range names {
			name = strings.ReplaceAll(name, id, "<id of "+service+">")
		}
		if name == "shop/ten-state" {
			all[name] = readState(t, secret)
			continue
		}
		all[name] = secret["data"]
	}
	if application := s.object(t, "/apis/applicationconnector.kyma-project.io/v1alpha1/applications/ten"); application != nil {
		meta := application["metadata"].(map[string]any)
		all["application"] = []any{meta["labels"], meta["annotations"], application["spec"].(map[string]any)["encodeUrl"]}
	}
	if status := s.object(t, "/api/v1/namespaces/shop/configmaps/ten-status"); status != nil {
		text := status["data"].(map[string]any)["report"].(string)
		for id, service := range names {
			text = strings.ReplaceAll(text, id, "<id of "+service+">")
		}
		all["status"] = text
	}
	hooks := []string{}
	for _, h := range s.hooks {
		hooks = append(hooks, h.URL+" "+h.Topic+" "+h.Key)
	}
	slices.Sort(hooks)
	all["hooks"] = hooks
	return all
}

// readState is what a state says, without its keys, which are random, and what depends on them.
func readState(t *testing.T, secret map[string]any) any {
	t.Helper()
	read := func(key string, into any) {
		text, err := base64.StdEncoding.DecodeString(secret["data"].(map[string]any)[key].(string))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, into))
	}
	var digests map[string]string
	read("digests", &digests)
	var hooks struct {
		Callbacks []string
		Webhooks  map[string]any
	}
	read("webhooks", &hooks)
	return []any{slices.Sorted(maps.Keys(digests)), hooks.Callbacks, slices.Sorted(maps.Keys(hooks.Webhooks))}
}

// TestKilledAtEveryWrite kills the program before each of its writes, wherever that goes, and after the last. The next run ends where an undisturbed one does, and one more has nothing to do.
func TestKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	type step struct {
		command  string
		apis     []string
		password string
	}
	install := step{"apply", []string{plainAPI, sharedAPI, ownAPI}, tenPassword}
	phases := map[string][]step{
		"install": {install},
		"change":  {install, {"apply", []string{plainAPI, renamed}, "n3w-pa55word"}},
		"delete":  {install, {"delete", []string{plainAPI, sharedAPI, ownAPI}, tenPassword}},
	}
	onBothBackends(t, func(t *testing.T, backend string) {
		for name, steps := range phases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				take := func(t *testing.T, s *stage, at step, v *victim) {
					t.Helper()
					s.write(t, "connector.yaml", shopDefinition(at.apis...))
					params := tenParams()
					params["password"], params["other_password"] = at.password, at.password+"-2"
					s.params(t, params)
					code, stdout, stderr := s.run(t, v, at.command)
					if v != nil {
						require.Equal(t, -1, code, "not killed: %s%s", stdout, stderr)
					} else {
						require.Zero(t, code, "%s%s", stdout, stderr)
						if at.command == "delete" {
							require.Contains(t, stdout, "left: 0", "a removal is complete")
						}
					}
				}
				last := steps[len(steps)-1]
				prepare := func(t *testing.T) *stage {
					t.Helper()
					s := setStage(t, backend, "", map[string]string{})
					s.write(t, "events.yaml", shopEvents)
					s.write(t, "api.yaml", "openapi: 3.0.0\ninfo: {title: API, version: v1}\npaths: {}\n")
					for i := 1; i <= 3; i++ {
						s.apis[fmt.Sprintf("/api/%d", i)] = answers(http.StatusOK, "{}")
					}
					for _, at := range steps[:len(steps)-1] {
						take(t, s, at, nil)
					}
					return s
				}
				undisturbed := prepare(t)
				take(t, undisturbed, last, nil)
				writes := undisturbed.did()
				require.Greater(t, len(writes), 5, "%v", writes)
				want := undisturbed.left(t)
				if last.command == "delete" {
					require.Equal(t, map[string]any{"hooks": []string{}}, want, "nothing is left")
				}
				// Dead after a write is dead before the next one.
				kills := []*victim{{at: len(writes), after: true}}
				for at := range writes {
					kills = append(kills, &victim{at: at + 1})
				}
				for _, v := range kills {
					s := prepare(t)
					take(t, s, last, v)
					take(t, s, last, nil)
					assert.Equal(t, want, s.left(t), "killed at write %d, after: %v", v.at, v.after)
					assert.Zero(t, s.kyma.Counts().Orphans)
					take(t, s, last, nil)
					assert.Empty(t, s.did(), "killed at write %d, after: %v", v.at, v.after)
				}
			})
		}
	})
}
