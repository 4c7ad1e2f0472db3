package registrationjob_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/detect"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/access"
)

// rights are those of a run: all but one. They remember what was asked for.
type rights struct {
	lacking access.Request
	asked   []access.Request
}

// refuses answers as Kubernetes does where the right to a request is the one that lacks.
func (r *rights) refuses(w http.ResponseWriter, request *http.Request) bool {
	want := access.RequestOf(access.Account{}, request)
	if r == nil || want.Resource == "" {
		return false
	}
	if !slices.Contains(r.asked, want) {
		r.asked = append(r.asked, want)
	}
	if want != r.lacking {
		return false
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": http.StatusForbidden,
		"message": fmt.Sprintf(`%s %q is forbidden: User "system:serviceaccount:shop:ten-job" cannot %s resource %q`, want.Resource, want.Name, want.Verb, want.Resource),
	})
	return true
}

// names says whether a text names a right that lacks, and to whom it is to be given.
func names(said string, right access.Request) bool {
	where := right.Resource
	if right.Namespace != "" {
		where += " " + right.Namespace + "/" + right.Name
	}
	return regexp.MustCompile(`this account may not `+right.Verb+` [^;(]*`+regexp.QuoteMeta(where)).MatchString(said) &&
		strings.Contains(said, "to the service account shop/ten-job (kubectl auth can-i "+right.Verb+" "+right.Resource)
}

// TestEveryMissingRightIsNamed takes from each command every single right that it uses: it fails and names it, or
// names it as the reason for what it could not do. A removal never fails.
func TestEveryMissingRightIsNamed(t *testing.T) {
	t.Parallel()
	type scene func(t *testing.T, s *stage)
	nothing := func(*testing.T, *stage) {}
	registered := func(t *testing.T, s *stage) { t.Helper(); s.apply(t) }
	changed := func(t *testing.T, s *stage) {
		t.Helper()
		s.apply(t)
		s.params(t, map[string]string{"user": "somebody", "password": "another-pa55word", "other_password": "yet-another"})
	}
	foreign := func(t *testing.T, s *stage) { // a Secret of somebody else is left
		t.Helper()
		s.apply(t)
		s.call(t, http.MethodPost, "/api/v1/namespaces/shop/secrets", `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ten-generated"}}`)
	}
	unknown := func(t *testing.T, s *stage) {
		t.Helper()
		foreign(t, s)
		s.call(t, http.MethodDelete, "/api/v1/namespaces/shop/configmaps/ten-status", "")
	}
	for command, scenes := range map[string][]scene{"apply": {nothing, changed}, "verify": {registered}, "delete": {registered, foreign, unknown}} {
		for _, backend := range []string{detect.Application, detect.ApplicationRegistry} {
			t.Run(command+" by "+backend, func(t *testing.T) {
				t.Parallel()
				run := func(t *testing.T, scene scene, r *rights) (code int, said string) {
					t.Helper()
					s := setStage(t, backend, shopDefinition(plainAPI, sharedAPI, ownAPI), tenParams())
					s.write(t, "events.yaml", shopEvents)
					s.write(t, "api.yaml", "openapi: 3.0.0\ninfo: {title: API, version: v1}\npaths: {}\n")
					for i := 1; i <= 3; i++ {
						s.apis[fmt.Sprintf("/api/%d", i)] = answers(http.StatusOK, "{}")
					}
					scene(t, s)
					s.rights = r
					args := []string{}
					switch command {
					case "verify":
						args = append(args, "--via", "system")
					case "delete":
						args = append(args, "--generated-secret", "ten-generated")
					}
					code, stdout, stderr := s.run(t, nil, command, args...)
					return code, stdout + stderr
				}
				seen := []access.Request{}
				for _, scene := range scenes {
					all := &rights{}
					code, said := run(t, scene, all)
					require.Zero(t, code, said)
					require.NotContains(t, said, "this account may not")
					for _, right := range all.asked {
						if slices.Contains(seen, right) {
							continue
						}
						code, said := run(t, scene, &rights{lacking: right})
						named := names(said, right)
						if command == "delete" {
							assert.Zero(t, code, "it may not jam a removal: %+v: %s", right, said)
						}
						if named {
							seen = append(seen, right)
						} else {
							t.Errorf("nothing noticed of %+v (code %d): %s", right, code, said)
						}
					}
				}
				assert.GreaterOrEqual(t, len(seen), 3, "rights that it uses")
			})
		}
	}
}

// call asks the cluster for something, past all rights.
func (s *stage) call(t *testing.T, method, path, body string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	s.kyma.KubeAPI().ServeHTTP(recorder, httptest.NewRequest(method, path, strings.NewReader(body)))
	require.Less(t, recorder.Code, http.StatusBadRequest, recorder.Body.String())
}
