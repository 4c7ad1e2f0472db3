package kube

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options of a Server.
type Options struct {
	// Resources that are served besides namespaces.
	Resources []*Resource
	// Version is what /version says, such as "v1.36.3".
	Version string
	// Token, if set, is demanded of every request.
	Token string
}

// Server is an API server with its objects. All methods may be called at the same time.
type Server struct {
	options    Options
	resources  []*Resource
	namespaces *Resource

	mu      sync.Mutex
	version uint64
	objects map[key]Object
	log     []change
	changed chan struct{} // closed and replaced at every change
}

type key struct {
	resource        *Resource
	namespace, name string
}

// change is one entry of the history that watches read.
type change struct {
	version  uint64
	resource *Resource
	kind     string // ADDED, MODIFIED, DELETED
	object   Object
	old      Object
}

// maxLog bounds the history; who watches from further back is told to list again.
const maxLog = 100

// New makes a server without objects.
func New(o Options) *Server {
	namespaces := Namespaces()
	return &Server{
		options: o, namespaces: namespaces, resources: append([]*Resource{namespaces}, o.Resources...),
		objects: map[key]Object{}, changed: make(chan struct{}), version: 1,
	}
}

// Namespaces is the resource of namespaces.
func (s *Server) Namespaces() *Resource { return s.namespaces }

// write says how a change is to be made.
type write struct {
	dryRun bool
	strict bool // refuse unknown fields instead of pruning them
	status bool // the status subresource
	caller bool // by HTTP: a status that is a subresource is left alone
}

// Version changes with every write.
func (s *Server) Version() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Get returns a copy of one object.
func (s *Server) Get(r *Resource, namespace, name string) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.get(r, namespace, name)
	if err != nil {
		return nil, err
	}
	return o.Copy(), nil
}

// List returns copies of all objects of a resource, of all namespaces if namespace is empty, in order.
func (s *Server) List(r *Resource, namespace string) []Object {
	list, _ := s.list(r, namespace, selector{})
	for i, o := range list {
		list[i] = o.Copy()
	}
	return list
}

// Create makes an object; namespace and name are those of its metadata.
func (s *Server) Create(r *Resource, o Object) (Object, error) {
	created, _, err := s.create(r, o.Namespace(), o.Copy(), write{})
	if err != nil {
		return nil, err
	}
	return created, nil
}

// Update replaces an object. The status is replaced too, even where it is a subresource.
func (s *Server) Update(r *Resource, o Object) (Object, error) {
	updated, _, err := s.update(r, o.Namespace(), o.Name(), func(Object) Object { return o.Copy() }, write{})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

// Delete removes an object and what it owns.
func (s *Server) Delete(r *Resource, namespace, name string) error {
	if _, err := s.delete(r, namespace, name, deleteOptions{}, write{}); err != nil {
		return err
	}
	return nil
}

func (s *Server) get(r *Resource, namespace, name string) (Object, *Error) {
	if o, ok := s.objects[key{r, namespace, name}]; ok {
		return o, nil
	}
	return nil, notFound(r, name)
}

// list returns the stored objects themselves, in order, and the version they are of.
func (s *Server) list(r *Resource, namespace string, sel selector) ([]Object, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Object{}
	for k, o := range s.objects {
		if k.resource == r && (namespace == "" || k.namespace == namespace) && sel.matches(o) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Namespace(), b.Namespace()), cmp.Compare(a.Name(), b.Name()))
	})
	return list, s.version
}

// create makes an object, which is the server's from now on, and returns a copy and warnings.
func (s *Server) create(r *Resource, namespace string, o Object, w write) (Object, []string, *Error) {
	if err := checkIdentity(r, namespace, "", o); err != nil {
		return nil, nil, err
	}
	if o.Text("metadata", "resourceVersion") != "" {
		return nil, nil, &Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "resourceVersion should not be set on objects to be created"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Namespaced {
		if _, ok := s.objects[key{s.namespaces, "", namespace}]; !ok {
			return nil, nil, notFound(s.namespaces, namespace)
		}
		o.Set(namespace, "metadata", "namespace")
	}
	cleanMetadata(o)
	if w.caller && r.StatusSubresource {
		delete(o, "status")
	}
	warnings, err := s.admit(r, o, nil, w)
	if err != nil {
		return nil, nil, err
	}
	k := key{r, namespace, o.Name()}
	if _, exists := s.objects[k]; exists {
		return nil, nil, alreadyExists(r, o.Name())
	}
	o.Set(NewUID(), "metadata", "uid")
	o.Set(time.Now().UTC().Format(time.RFC3339), "metadata", "creationTimestamp")
	if r.Custom || r.Group == "apps" {
		o.Set(float64(1), "metadata", "generation")
	}
	if r.Control != nil {
		r.Control(o)
	}
	if w.dryRun {
		return o, warnings, nil
	}
	s.store(k, o, nil, "ADDED")
	answer := o.Copy()
	s.collectIfOwnerless(k)
	return answer, warnings, nil
}

// update lets change make the new object, which is the server's from then on, out of the present one,
// which change must leave alone.
func (s *Server) update(r *Resource, namespace, name string, change func(Object) Object, w write) (Object, []string, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.get(r, namespace, name)
	if err != nil {
		return nil, nil, err
	}
	o := change(old)
	if err := checkIdentity(r, namespace, name, o); err != nil {
		return nil, nil, err
	}
	switch version := o.Text("metadata", "resourceVersion"); {
	case version == "" && r.Custom:
		return nil, nil, invalid(r, name, []Cause{Invalid("metadata.resourceVersion", 0, "must be specified for an update")})
	case version != "" && version != old.Text("metadata", "resourceVersion"):
		return nil, nil, modified(r, name)
	}
	if uid := o.UID(); uid != "" && uid != old.UID() {
		return nil, nil, conflict(r, name, "Precondition failed: UID in precondition: "+uid+", UID in object meta: "+old.UID())
	}
	if r.Namespaced {
		o.Set(namespace, "metadata", "namespace")
	}
	cleanMetadata(o)
	switch {
	case w.status:
		status := o["status"]
		o = old.Copy()
		cleanMetadata(o)
		o["status"] = status
	case w.caller && r.StatusSubresource:
		if delete(o, "status"); old["status"] != nil {
			o["status"] = deepCopy(old["status"])
		}
	}
	for _, field := range []string{"uid", "creationTimestamp", "generation", "resourceVersion"} {
		if value := old.At("metadata", field); value != nil {
			o.Set(value, "metadata", field)
		}
	}
	warnings, err := s.admit(r, o, old, w)
	if err != nil {
		return nil, nil, err
	}
	if r.Control != nil && !w.status {
		r.Control(o)
	}
	if equal(map[string]any(o), map[string]any(old)) {
		return o, warnings, nil // nothing to write: the version stays
	}
	if generation, ok := old.At("metadata", "generation").(float64); ok && !equal(o["spec"], old["spec"]) {
		o.Set(generation+1, "metadata", "generation")
	}
	if w.dryRun {
		return o, warnings, nil
	}
	k := key{r, namespace, name}
	s.store(k, o, old, "MODIFIED")
	answer := o.Copy()
	s.collectIfOwnerless(k)
	return answer, warnings, nil
}

// admit prunes, completes and validates; it returns warnings about unknown fields.
func (s *Server) admit(r *Resource, o, old Object, w write) ([]string, *Error) {
	var warnings []string
	causes := nameCause(r, o.Name())
	causes = append(causes, checkLabels(o.Labels())...)
	causes = append(causes, checkOwners(o)...)
	if r.Schema != nil {
		for _, field := range r.Schema.Prune(map[string]any(o), "") {
			warnings = append(warnings, "unknown field \""+field+"\"")
		}
		if w.strict && len(warnings) > 0 {
			return nil, badRequest("%s in version %q cannot be handled as a %s: strict decoding error: %s", r.Kind, r.Version, r.Kind, strings.Join(warnings, ", "))
		}
		r.Schema.Fill(map[string]any(o))
		causes = append(causes, r.Schema.Validate(map[string]any(o), "")...)
	}
	if r.Check != nil {
		causes = append(causes, r.Check(o, old)...)
	}
	if len(causes) > 0 {
		return nil, invalid(r, o.Name(), causes)
	}
	return warnings, nil
}

// checkIdentity compares what the object says of itself with the address it was sent to.
func checkIdentity(r *Resource, namespace, name string, o Object) *Error {
	apiVersion, kind := o.Text("apiVersion"), o.Text("kind")
	switch {
	case kind == "" && r.Custom:
		return badRequest("Object 'Kind' is missing in the request body")
	case apiVersion == "" && r.Custom:
		return badRequest("Object 'apiVersion' is missing in the request body")
	case apiVersion != "" && apiVersion != r.APIVersion():
		return badRequest("the API version in the data (%s) does not match the expected API version (%s)", apiVersion, r.APIVersion())
	case kind != "" && kind != r.Kind:
		return badRequest("the kind in the data (%s) does not match the expected kind (%s)", kind, r.Kind)
	case o.Namespace() != "" && o.Namespace() != namespace:
		return badRequest("the namespace of the provided object does not match the namespace sent on the request")
	case name != "" && o.Name() != name:
		return badRequest("the name of the object (%s) does not match the name on the URL (%s)", o.Name(), name)
	}
	for _, field := range []string{"labels", "annotations"} {
		m, isMap := o.At("metadata", field).(map[string]any)
		if !isMap && o.At("metadata", field) != nil {
			return badRequest("%s in version %q cannot be handled as a %s: metadata.%s is no map", r.Kind, r.Version, r.Kind, field)
		}
		for k, value := range m {
			if _, ok := value.(string); !ok {
				return badRequest("%s in version %q cannot be handled as a %s: metadata.%s[%s] is no string", r.Kind, r.Version, r.Kind, field, k)
			}
		}
	}
	o["apiVersion"], o["kind"] = r.APIVersion(), r.Kind
	return nil
}

// cleanMetadata keeps the metadata that callers may set.
func cleanMetadata(o Object) {
	metadata, _ := o["metadata"].(map[string]any)
	kept := map[string]any{}
	for _, field := range []string{"name", "namespace", "labels", "annotations", "ownerReferences", "finalizers"} {
		switch value := metadata[field].(type) {
		case nil:
		case map[string]any:
			if len(value) > 0 {
				kept[field] = value
			}
		case []any:
			if len(value) > 0 {
				kept[field] = value
			}
		default:
			kept[field] = value
		}
	}
	o["metadata"] = kept
}

// store writes an object and tells the watches. What is stored is never changed afterwards, only replaced.
func (s *Server) store(k key, o, old Object, kind string) {
	s.version++
	o.Set(strconv.FormatUint(s.version, 10), "metadata", "resourceVersion")
	if kind == "DELETED" {
		delete(s.objects, k)
	} else {
		s.objects[k] = o
	}
	if len(s.log) >= maxLog {
		s.log = append(s.log[:0], s.log[maxLog/2:]...)
	}
	s.log = append(s.log, change{version: s.version, resource: k.resource, kind: kind, object: o, old: old})
	close(s.changed)
	s.changed = make(chan struct{})
}
