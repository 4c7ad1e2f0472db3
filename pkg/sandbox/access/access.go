// Package access is what the sandbox's Kubernetes API lets service accounts do: what their roles say, as in a real
// cluster, and nothing else. It remembers what was asked.
package access

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// Access knows accounts and their roles. It is safe for concurrent use.
type Access struct {
	mu       sync.Mutex
	accounts map[string]Account // by token
	rules    map[roleKey][]rbacv1.PolicyRule
	bindings map[roleKey]binding
	used     Used
}

// Account is a service account.
type Account struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Used is what was asked for, and by which rights.
type Used struct {
	// Objects are all roles and bindings that ever were, with their namespaces.
	Objects []Object `json:"objects"`
	// Requests are what accounts asked for, each once, sorted.
	Requests []Request `json:"requests"`
}

// Object is a role or a binding, for a whole cluster or for a namespace.
type Object struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Rules    []rbacv1.PolicyRule `json:"rules,omitempty"`
	RoleRef  rbacv1.RoleRef      `json:"roleRef,omitzero"`
	Subjects []rbacv1.Subject    `json:"subjects,omitempty"`
}

// Request is what an account asks for, in the words of roles.
type Request struct {
	Account Account `json:"account"`
	Verb    string  `json:"verb"`
	Group   string  `json:"group,omitempty"`
	// Resource is "<resource>" or "<resource>/<subresource>".
	Resource  string `json:"resource"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// Allowed says what it was told.
	Allowed bool `json:"allowed"`
}

// roleKey names a role or a binding; those of the whole cluster have no namespace.
type roleKey struct{ kind, namespace, name string }

// binding gives a role to accounts, in one namespace or everywhere.
type binding struct {
	namespace string
	role      roleKey
	accounts  []Account
}

// New makes an Access without accounts.
func New() *Access {
	return &Access{accounts: map[string]Account{}, rules: map[roleKey][]rbacv1.PolicyRule{}, bindings: map[roleKey]binding{}}
}

// Token makes a token for a service account.
func (a *Access) Token(namespace, name string) secret.Text {
	a.mu.Lock()
	defer a.mu.Unlock()
	token := rand.Text()
	a.accounts[token] = Account{namespace, name}
	return secret.New(token)
}

// Add takes a manifest of a role or a binding, in YAML or JSON, whose namespace is the given one unless it says so
// itself; other manifests are not its business.
func (a *Access) Add(manifest []byte, namespace string) error {
	object, ours, err := read(manifest, namespace)
	if err != nil || !ours {
		return err
	}
	key := object.key()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used.Objects = append(a.used.Objects, object)
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
			b.accounts = append(b.accounts, Account{subject.Namespace, subject.Name})
		}
	}
	a.bindings[key] = b
	return nil
}

// Remove forgets a role or a binding.
func (a *Access) Remove(manifest []byte, namespace string) {
	object, ours, err := read(manifest, namespace)
	if err != nil || !ours {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.rules, object.key())
	delete(a.bindings, object.key())
}

func read(manifest []byte, namespace string) (object Object, ours bool, err error) {
	if err := yaml.Unmarshal(manifest, &object.TypeMeta); err != nil {
		return object, false, err
	}
	if !strings.HasPrefix(object.APIVersion, rbacv1.GroupName+"/") {
		return object, false, nil
	}
	if err := yaml.Unmarshal(manifest, &object); err != nil {
		return object, false, err
	}
	switch {
	case strings.HasPrefix(object.Kind, "Cluster"):
		object.Namespace = ""
	case object.Namespace == "":
		object.Namespace = namespace
	}
	return object, true, nil
}

func (o Object) key() roleKey { return roleKey{o.Kind, o.Namespace, o.Name} }

// Handler asks for a token that it knows, and for a role that allows the request. The administrator's
// token may do everything; next sees no other.
func (a *Access) Handler(next http.Handler, admin secret.Text) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token != admin.Reveal() {
			who, known := a.account(token)
			if !known {
				refuse(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
				return
			}
			if message := a.ask(RequestOf(who, r)); message != "" {
				refuse(w, http.StatusForbidden, "Forbidden", message)
				return
			}
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+admin.Reveal())
		}
		next.ServeHTTP(w, r)
	})
}

func (a *Access) account(token string) (Account, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	who, ok := a.accounts[token]
	return who, ok
}

// ask is Forbids, and remembers.
func (a *Access) ask(want Request) string {
	message := a.Forbids(want)
	if want.Resource == "" {
		return message
	}
	want.Allowed = message == ""
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.used.Requests, want) {
		a.used.Requests = append(a.used.Requests, want)
	}
	return message
}

// Used says what was asked for so far.
func (a *Access) Used() Used {
	a.mu.Lock()
	defer a.mu.Unlock()
	used := Used{Objects: slices.Clone(a.used.Objects), Requests: slices.Clone(a.used.Requests)}
	slices.SortFunc(used.Requests, func(x, y Request) int {
		return cmp.Or(cmp.Compare(x.Account.Name, y.Account.Name), cmp.Compare(x.Resource, y.Resource), cmp.Compare(x.Namespace, y.Namespace),
			cmp.Compare(x.Name, y.Name), cmp.Compare(x.Verb, y.Verb))
	})
	return used
}

// Forbids says in Kubernetes' words why a request is not allowed, or "".
func (a *Access) Forbids(want Request) string {
	if want.Resource == "" {
		return "" // discovery and versions are for everybody
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.bindings {
		if (b.namespace != "" && b.namespace != want.Namespace) || !slices.Contains(b.accounts, want.Account) {
			continue
		}
		if slices.ContainsFunc(a.rules[b.role], want.allowedBy) {
			return ""
		}
	}
	where := "at the cluster scope"
	if want.Namespace != "" {
		where = fmt.Sprintf("in the namespace %q", want.Namespace)
	}
	return fmt.Sprintf("%s %q is forbidden: User %q cannot %s resource %q in API group %q %s",
		want.Resource, want.Name, "system:serviceaccount:"+want.Account.Namespace+":"+want.Account.Name, want.Verb, want.Resource, want.Group, where)
}

// RequestOf reads what an HTTP request asks for; the resource is empty for what belongs to none.
func RequestOf(who Account, r *http.Request) Request {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	out := Request{Account: who}
	switch {
	case len(segments) > 2 && segments[0] == "api":
		segments = segments[2:]
	case len(segments) > 3 && segments[0] == "apis":
		out.Group, segments = segments[1], segments[3:]
	default:
		return out
	}
	if segments[0] == "namespaces" && len(segments) > 1 {
		out.Namespace = segments[1]
		if len(segments) > 2 && segments[2] != "status" && segments[2] != "finalize" {
			segments = segments[2:]
		}
	}
	out.Resource = segments[0]
	if len(segments) > 1 {
		out.Name = segments[1]
	}
	if len(segments) > 2 {
		out.Resource += "/" + segments[2]
	}
	out.Verb = verb(r, out.Name != "")
	if out.Verb == "list" || out.Verb == "watch" {
		if name, found := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name="); found {
			out.Name = name // a list of one
		}
	}
	return out
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
	case named:
		return "get"
	case r.URL.Query().Get("watch") == "true" || r.URL.Query().Get("watch") == "1":
		return "watch"
	}
	return "list"
}

func (r Request) allowedBy(rule rbacv1.PolicyRule) bool {
	has := func(list []string, want string) bool {
		return slices.Contains(list, want) || slices.Contains(list, "*")
	}
	resource := has(rule.Resources, r.Resource)
	if _, subresource, found := strings.Cut(r.Resource, "/"); found {
		resource = resource || slices.Contains(rule.Resources, "*/"+subresource)
	}
	return has(rule.Verbs, r.Verb) && has(rule.APIGroups, r.Group) && resource &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, r.Name))
}

func refuse(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // a client that has gone needs no answer
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"message": message, "reason": reason, "code": status,
	})
}
