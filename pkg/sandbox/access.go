package sandbox

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// access lets the pods' service accounts do at the Kubernetes API what the release's roles allow, and
// nothing else. It is safe for concurrent use.
type access struct {
	mu       sync.Mutex
	accounts map[string]account // by token
	rules    map[roleKey][]rbacv1.PolicyRule
	bindings map[roleKey]binding
}

type account struct{ namespace, name string }

// roleKey names a role or a binding; those of the whole cluster have no namespace.
type roleKey struct{ kind, namespace, name string }

// binding gives a role to accounts, in one namespace or everywhere.
type binding struct {
	namespace string
	role      roleKey
	accounts  []account
}

func newAccess() *access {
	return &access{accounts: map[string]account{}, rules: map[roleKey][]rbacv1.PolicyRule{}, bindings: map[roleKey]binding{}}
}

// token makes a token for a service account.
func (a *access) token(namespace, name string) secret.Text {
	a.mu.Lock()
	defer a.mu.Unlock()
	token := rand.Text()
	a.accounts[token] = account{namespace, name}
	return secret.New(token)
}

// rbacObject has what roles and bindings consist of.
type rbacObject struct {
	Rules    []rbacv1.PolicyRule `json:"rules"`
	RoleRef  rbacv1.RoleRef      `json:"roleRef"`
	Subjects []rbacv1.Subject    `json:"subjects"`
}

// add takes a role or a binding; other manifests are not its business.
func (a *access) add(m provision.Manifest, releaseNamespace string) error {
	if !strings.HasPrefix(m.APIVersion, rbacv1.GroupName+"/") {
		return nil
	}
	var object rbacObject
	if err := yaml.Unmarshal(m.Content, &object); err != nil {
		return err
	}
	key := roleKey{m.Kind, namespaceOf(m, releaseNamespace), m.Name}
	if strings.HasPrefix(m.Kind, "Cluster") {
		key.namespace = ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if object.RoleRef.Name == "" {
		a.rules[key] = object.Rules
		return nil
	}
	b := binding{namespace: key.namespace, role: roleKey{object.RoleRef.Kind, key.namespace, object.RoleRef.Name}}
	if object.RoleRef.Kind == "ClusterRole" {
		b.role.namespace = ""
	}
	for _, subject := range object.Subjects {
		if subject.Kind == rbacv1.ServiceAccountKind {
			b.accounts = append(b.accounts, account{subject.Namespace, subject.Name})
		}
	}
	a.bindings[key] = b
	return nil
}

// remove forgets a role or a binding.
func (a *access) remove(m provision.Manifest, releaseNamespace string) {
	key := roleKey{m.Kind, namespaceOf(m, releaseNamespace), m.Name}
	if strings.HasPrefix(m.Kind, "Cluster") {
		key.namespace = ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.rules, key)
	delete(a.bindings, key)
}

// handler asks for a token that it knows, and for a role that allows the request. The administrator's
// token may do everything; next sees no other.
func (a *access) handler(next http.Handler, admin secret.Text) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token != admin.Reveal() {
			who, known := a.account(token)
			if !known {
				refuse(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
				return
			}
			if message := a.forbids(who, attributesOf(r)); message != "" {
				refuse(w, http.StatusForbidden, "Forbidden", message)
				return
			}
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+admin.Reveal())
		}
		next.ServeHTTP(w, r)
	})
}

func (a *access) account(token string) (account, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	who, ok := a.accounts[token]
	return who, ok
}

// forbids says in Kubernetes' words why a request is not allowed, or "".
func (a *access) forbids(who account, want attributes) string {
	if want.resource == "" {
		return "" // discovery and versions are for everybody
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.bindings {
		if (b.namespace != "" && b.namespace != want.namespace) || !slices.Contains(b.accounts, who) {
			continue
		}
		if slices.ContainsFunc(a.rules[b.role], want.allowedBy) {
			return ""
		}
	}
	where := "at the cluster scope"
	if want.namespace != "" {
		where = fmt.Sprintf("in the namespace %q", want.namespace)
	}
	return fmt.Sprintf("%s %q is forbidden: User %q cannot %s resource %q in API group %q %s",
		want.resource, want.name, "system:serviceaccount:"+who.namespace+":"+who.name, want.verb, want.resource, want.group, where)
}

// attributes are what roles speak of.
type attributes struct{ verb, group, resource, namespace, name string }

// attributesOf reads them from a request; the resource is empty for what belongs to none.
func attributesOf(r *http.Request) attributes {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var a attributes
	switch {
	case len(segments) > 2 && segments[0] == "api":
		segments = segments[2:]
	case len(segments) > 3 && segments[0] == "apis":
		a.group, segments = segments[1], segments[3:]
	default:
		return a
	}
	if segments[0] == "namespaces" && len(segments) > 2 {
		a.namespace, segments = segments[1], segments[2:]
	}
	a.resource = segments[0]
	if len(segments) > 1 {
		a.name = segments[1]
	}
	if len(segments) > 2 {
		a.resource += "/" + segments[2]
	}
	a.verb = verb(r, a.name != "")
	return a
}

func verb(r *http.Request, named bool) string {
	switch r.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		if !named {
			return "deletecollection"
		}
		return "delete"
	}
	switch {
	case r.URL.Query().Get("watch") == "true" || r.URL.Query().Get("watch") == "1":
		return "watch"
	case named:
		return "get"
	}
	return "list"
}

func (a attributes) allowedBy(rule rbacv1.PolicyRule) bool {
	has := func(list []string, want string) bool {
		return slices.Contains(list, want) || slices.Contains(list, "*")
	}
	return has(rule.Verbs, a.verb) && has(rule.APIGroups, a.group) && has(rule.Resources, a.resource) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, a.name))
}

func refuse(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // a client that has gone needs no answer
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"message": message, "reason": reason, "code": status,
	})
}

// namespaceOf is where a manifest's object lives: where it says, else where the release does.
func namespaceOf(m provision.Manifest, releaseNamespace string) string {
	var object struct {
		Metadata struct {
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	if yaml.Unmarshal(m.Content, &object) == nil && object.Metadata.Namespace != "" {
		return object.Metadata.Namespace
	}
	return releaseNamespace
}
