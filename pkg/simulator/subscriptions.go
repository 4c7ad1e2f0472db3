package simulator

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// subscription is a ready Subscription as the publisher and the deliveries need it.
type subscription struct {
	// name is namespace/name.
	name     string
	sink     string
	subjects map[string]bool
	// filter are the attributes that a Trigger lets through; nil for a Subscription.
	filter map[string]string
}

// wants says whether an event goes to the sink.
func (s subscription) wants(e arrival) bool {
	if s.filter == nil {
		return s.subjects[e.subject]
	}
	attributes := map[string]string{"source": e.Source, "type": e.Type}
	for name, value := range e.Extensions {
		attributes[name] = value
	}
	for name, value := range s.filter {
		if value != "" && attributes[name] != value {
			return false
		}
	}
	return true
}

// routing is what the publisher has to know of the cluster for every event.
type routing struct {
	// version is the cluster's at the time it was read.
	version       uint64
	subscriptions []subscription
	// types are the labels application-type by Application.
	types map[string]string
}

// routing returns the ready Subscriptions and the Applications' types, read again only after a write.
func (k *Kyma) routing() routing {
	k.mu.Lock()
	defer k.mu.Unlock()
	version := k.cluster.Version()
	if k.routes.version == version {
		return k.routes
	}
	r := routing{version: version, types: map[string]string{}}
	for _, o := range k.cluster.List(k.resources.subscriptions, "") {
		if !o.Bool("status", "ready") {
			continue
		}
		s := subscription{name: o.Namespace() + "/" + o.Name(), sink: o.Text("spec", "sink"), subjects: map[string]bool{}}
		for _, subject := range k.subjects(o) {
			s.subjects[subject] = true
		}
		r.subscriptions = append(r.subscriptions, s)
	}
	if k.options.Knative {
		r.subscriptions = k.triggered() // events do not come by way of Subscriptions there
	}
	for _, o := range k.cluster.List(k.resources.applications, "") {
		for key, value := range o.Labels() {
			if strings.EqualFold(key, "application-type") && value != "" {
				r.types[o.Name()] = value
			}
		}
	}
	k.routes = r
	return r
}

// subjects are what a Subscription listens to. The source is taken as it is: the label application-type,
// which the publisher puts in its place, is not looked at.
func (k *Kyma) subjects(o kube.Object) []string {
	var subjects []string
	if k.options.Generation == Old {
		for _, eventType := range filterTypes(o) {
			subject := eventType
			if clean, err := cleanPrefixedType(eventType, cleanApplication); err == nil {
				subject = clean
			}
			subjects = append(subjects, subject)
		}
		return subjects
	}
	for _, eventType := range typesOf(o) {
		subject, err := standardSubject(o.Text("spec", "source"), eventType)
		if o.Text("spec", "typeMatching") == "exact" {
			subject, err = cleanPrefixedType(eventType, cleanApplication)
			subject = "kyma." + subject
		}
		if err == nil {
			subjects = append(subjects, subject)
		}
	}
	return subjects
}

// typesOf are the types of a Subscription v1alpha2.
func typesOf(o kube.Object) []string {
	var types []string
	for _, item := range o.List("spec", "types") {
		if eventType, ok := item.(string); ok {
			types = append(types, eventType)
		}
	}
	return types
}

// filterTypes are the types of a Subscription v1alpha1.
func filterTypes(o kube.Object) []string {
	var types []string
	for _, item := range o.List("spec", "filter", "filters") {
		filter, _ := item.(map[string]any)
		if eventType := kube.Object(filter).Text("eventType", "value"); eventType != "" {
			types = append(types, eventType)
		}
	}
	return types
}

// subscribedType is one entry of the answer of /subscribed.
type subscribedType struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// serveSubscribed lists the types that somebody subscribes to, ready or not.
func (p *publisher) serveSubscribed(w http.ResponseWriter, application string) {
	list := []subscribedType{}
	if p.kyma.options.Knative {
		list = p.kyma.triggerTypes(application)
	}
	for _, o := range p.kyma.cluster.List(p.kyma.resources.subscriptions, "") {
		for _, eventType := range p.kyma.subscribedTypes(o, application) {
			i := strings.LastIndexByte(eventType, '.')
			if i < 0 {
				cut(w) // the real one panics on a type without a dot, and the connection just ends
				return
			}
			list = append(list, subscribedType{Name: eventType[:i], Version: eventType[i+1:]})
		}
	}
	slices.SortFunc(list, func(a, b subscribedType) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	writeJSON(w, http.StatusOK, map[string]any{"eventsInfo": slices.Compact(list)})
}

// subscribedTypes are a Subscription's types of one application, without prefix and application.
func (k *Kyma) subscribedTypes(o kube.Object, application string) []string {
	prefix := typePrefix + "." + application + "."
	candidates, exact := typesOf(o), o.Text("spec", "typeMatching") == "exact"
	if k.options.Generation == Old {
		candidates, exact, prefix = filterTypes(o), true, strings.ToLower(prefix)
	}
	if !exact {
		if o.Text("spec", "source") != application {
			return nil
		}
		return candidates
	}
	var types []string
	for _, eventType := range candidates {
		if rest, ok := strings.CutPrefix(eventType, prefix); ok {
			types = append(types, rest)
		}
	}
	return types
}
