package kube

import "fmt"

// deleteOptions are what a caller may ask for on deletion.
type deleteOptions struct {
	Preconditions struct {
		UID             string `json:"uid"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"preconditions"`
	// PropagationPolicy is Orphan, Background or Foreground; the last two are the same here.
	PropagationPolicy string   `json:"propagationPolicy"`
	DryRun            []string `json:"dryRun"`
}

// delete removes an object, and at once what a garbage collector would remove after it.
func (s *Server) delete(r *Resource, namespace, name string, options deleteOptions, w write) (Object, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.get(r, namespace, name)
	if err != nil {
		return nil, err
	}
	want := options.Preconditions
	if want.UID != "" && want.UID != o.UID() {
		return nil, conflict(r, name, "Precondition failed: UID in precondition: "+want.UID+", UID in object meta: "+o.UID())
	}
	if version := o.Text("metadata", "resourceVersion"); want.ResourceVersion != "" && want.ResourceVersion != version {
		return nil, conflict(r, name, "Precondition failed: ResourceVersion in precondition: "+want.ResourceVersion+", ResourceVersion in object meta: "+version)
	}
	if !w.dryRun {
		s.remove(key{r, namespace, name}, options.PropagationPolicy == "Orphan")
	}
	return o, nil
}

// remove takes an object away; its dependents lose the reference and go too when it was their last owner.
func (s *Server) remove(k key, orphan bool) {
	o, ok := s.objects[k]
	if !ok {
		return
	}
	s.store(k, o.Copy(), o, "DELETED") // with a version of its own
	var dependents, contained []key
	for other, object := range s.objects {
		if k.resource == s.namespaces && other.namespace == k.name {
			contained = append(contained, other)
			continue
		}
		for _, item := range object.List("metadata", "ownerReferences") {
			if owner, _ := item.(map[string]any); owner["uid"] == o.UID() {
				dependents = append(dependents, other)
			}
		}
	}
	for _, other := range contained {
		s.remove(other, false)
	}
	for _, other := range dependents {
		if orphan {
			s.dropOwner(other, o.UID())
			continue
		}
		s.collectIfOwnerless(other)
	}
}

// collectIfOwnerless removes an object that names owners of which none exists, as the garbage collector
// does, also right after somebody wrote it with a wrong owner.
func (s *Server) collectIfOwnerless(k key) {
	o, ok := s.objects[k]
	owners := o.List("metadata", "ownerReferences")
	if !ok || len(owners) == 0 {
		return
	}
	for _, item := range owners {
		owner, _ := item.(map[string]any)
		for other, candidate := range s.objects {
			if candidate.UID() == owner["uid"] && (other.namespace == "" || other.namespace == k.namespace) {
				return
			}
		}
	}
	s.remove(k, false)
}

func (s *Server) dropOwner(k key, uid string) {
	old := s.objects[k]
	o := old.Copy()
	kept := []any{}
	for _, item := range o.List("metadata", "ownerReferences") {
		if owner, _ := item.(map[string]any); owner["uid"] != uid {
			kept = append(kept, item)
		}
	}
	if len(kept) == 0 {
		o.Delete("metadata", "ownerReferences")
	} else {
		o.Set(kept, "metadata", "ownerReferences")
	}
	s.store(k, o, old, "MODIFIED")
}

func checkOwners(o Object) []Cause {
	var causes []Cause
	for i, item := range o.List("metadata", "ownerReferences") {
		owner, _ := item.(map[string]any)
		for _, field := range []string{"apiVersion", "kind", "name", "uid"} {
			if text, _ := owner[field].(string); text == "" {
				causes = append(causes, Invalid(fmt.Sprintf("metadata.ownerReferences[%d].%s", i, field), "", field+" must not be empty"))
			}
		}
	}
	return causes
}
