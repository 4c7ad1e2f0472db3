package registrationjob_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/detect"
)

// tenDefinition is a connector with ten APIs, the last of which has credentials of its own.
func tenDefinition() string {
	var b strings.Builder
	b.WriteString(`apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: ten, displayName: Ten, provider: Acme, product: Acme}
parameters:
  system_url: {kind: url, title: System URL, required: true}
  user: {kind: text, title: User, required: true}
  password: {kind: secret, title: Password, required: true}
  other_password: {kind: secret, title: Another Password, required: true}
application: ten
system: {url: =param("system_url"), auth: {basic: {username: =param("user"), password: =param("password")}}}
apis:
`)
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "  - {id: api-%d, name: API %d, kind: rest, path: /api/%d, whenDisabled: switch it on in the settings}\n", i, i, i)
	}
	b.WriteString(`  - {id: api-10, name: API 10, kind: rest, path: /api/10, auth: {basic: {username: other, password: =param("other_password")}}}` + "\n")
	return b.String()
}

const tenPassword, tenOtherPassword = "ten-pa55word", "ten-0ther-pa55word"

func tenParams() map[string]string {
	return map[string]string{"user": "somebody", "password": tenPassword, "other_password": tenOtherPassword}
}

// tenAPIs lets all ten answer those who may sign in.
func tenAPIs(t *testing.T, backend string) *stage {
	t.Helper()
	s := setStage(t, backend, tenDefinition(), tenParams())
	for i := 1; i <= 10; i++ {
		s.apis[fmt.Sprintf("/api/%d", i)] = answers(http.StatusOK, "{}")
	}
	return s
}

func onBothBackends(t *testing.T, test func(t *testing.T, backend string)) {
	t.Helper()
	for _, backend := range []string{detect.Application, detect.ApplicationRegistry} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			test(t, backend)
		})
	}
}

// leaked finds the secrets of the ten, as they are and in base64.
func leaked(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for _, value := range []string{tenPassword, tenOtherPassword} {
			assert.NotContains(t, text, value)
			assert.NotContains(t, text, base64.StdEncoding.EncodeToString([]byte(value)))
		}
	}
}

// TestThreeOfTenAPIsDoNotWork has one API that fails, one that is disabled and one that never answers: the other
// seven are registered, and every form of the report names the three.
func TestThreeOfTenAPIsDoNotWork(t *testing.T) {
	t.Parallel()
	onBothBackends(t, func(t *testing.T, backend string) {
		s := tenAPIs(t, backend)
		s.apis["/api/2"] = answers(http.StatusInternalServerError, "the password is "+tenPassword)
		s.apis["/api/5"] = answers(http.StatusForbidden, tenPassword)
		s.apis["/api/8"] = never
		because := map[string]string{
			"Acme - API 2": "answered 500", "Acme - API 5": "answered 403", "Acme - API 8": "time",
		}
		termination := s.path("termination")
		for failOn, want := range map[string]int{"any": 1, "all": 0} {
			code, text, logged := s.run(t, nil, "apply", "--fail-on", failOn, "--timeout", "3s", "--termination-log", termination)
			assert.Equal(t, want, code, "%s%s", text, logged)
			assert.Len(t, s.services(t), 7)
			message, err := os.ReadFile(termination)
			require.NoError(t, err)
			assert.LessOrEqual(t, len(message), 4096)
			status := s.object(t, "/api/v1/namespaces/shop/configmaps/ten-status")["data"].(map[string]any)
			forms := map[string]string{"table": text, "termination message": string(message), "status": status["report"].(string), "status summary": status["summary"].(string)}
			for form, said := range forms {
				for name, why := range because {
					assert.Regexp(t, "(failed|skipped): "+name+": .*"+why, said, form)
				}
				assert.Contains(t, said, "switch it on in the settings", form)
				for i := 1; i <= 10; i++ {
					assert.Contains(t, said, fmt.Sprintf("Acme - API %d", i), form)
				}
			}
			leaked(t, logged, text, string(message), status["report"].(string), status["report.json"].(string))
			var machine struct {
				Services []struct{ Name, Outcome, Class, Reason, Next, URL string }
			}
			require.NoError(t, json.Unmarshal([]byte(status["report.json"].(string)), &machine))
			require.Len(t, machine.Services, 10)
			for _, api := range machine.Services {
				if why, is := because[api.Name]; is {
					assert.Contains(t, api.Reason, why)
					assert.NotEmpty(t, api.Next)
					assert.Empty(t, api.URL)
					continue
				}
				assert.Equal(t, "registered", api.Outcome)
				assert.Regexp(t, "^http://", api.URL)
			}
			code, text, logged = s.run(t, nil, "apply", "--fail-on", failOn, "--timeout", "3s", "--output", "json")
			assert.Equal(t, want, code)
			assert.Empty(t, s.did(), "a second run writes nothing")
			leaked(t, logged, text)
			assert.Contains(t, text, `"unchanged": 7`)
		}
	})
}

// TestRotationChangesWhatHoldsTheCredential gives one of two passwords another value.
func TestRotationChangesWhatHoldsTheCredential(t *testing.T) {
	t.Parallel()
	onBothBackends(t, func(t *testing.T, backend string) {
		for name, test := range map[string]struct {
			parameter string
			apis      []int
		}{
			"of the system":  {"password", []int{1, 2, 3, 4, 5, 6, 7, 8, 9}},
			"of one API":     {"other_password", []int{10}},
			"of nothing yet": {"", nil},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := tenAPIs(t, backend)
				s.apply(t)
				before, services := s.secrets(t), s.services(t)
				params := tenParams()
				if test.parameter != "" {
					params[test.parameter] = "n3w-pa55word"
				}
				s.params(t, params)
				s.apply(t)

				var holders []string
				for _, i := range test.apis {
					service := services[fmt.Sprintf("Acme - API %d", i)]
					entry := service["entries"].([]any)[0].(map[string]any)
					holders = append(holders, entry["credentials"].(map[string]any)["secretName"].(string))
				}
				slices.Sort(holders)
				holders = slices.Compact(holders)
				var changed []string
				after := s.secrets(t)
				assert.ElementsMatch(t, slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))
				for name, secret := range after {
					switch namespace, base, _ := strings.Cut(name, "/"); {
					case assert.ObjectsAreEqual(before[name], secret):
					case namespace == "shop" && base == "ten-state": // digests of what was applied
					default:
						changed = append(changed, base)
						data := secret["data"].(map[string]any)
						assert.Equal(t, base64.StdEncoding.EncodeToString([]byte("n3w-pa55word")), data["password"])
					}
				}
				assert.ElementsMatch(t, holders, changed)
				if backend == detect.Application {
					assert.Equal(t, services, s.services(t), "the Application refers to them as before")
				}
				puts := slices.DeleteFunc(s.did(), func(write string) bool { return !strings.Contains(write, "/metadata/services/") })
				if backend == detect.ApplicationRegistry {
					assert.Len(t, puts, len(test.apis), "services that do not hold it are not touched: %v", puts)
				}
			})
		}
	})
}
