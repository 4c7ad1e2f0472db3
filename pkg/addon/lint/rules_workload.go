package lint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// workloadRules are about what happens to pods while nodes come and go, and to names that lead nowhere.
func workloadRules() []Rule {
	return []Rule{
		{
			ID: "CHT024", Severity: Warning, Suite: SuiteChart,
			Summary: "pods with several replicas are spread and have a PodDisruptionBudget; none keeps a node from being drained",
			Effect:  "one node that goes takes all replicas along, or never goes",
			Next:    "add topologySpreadConstraints or podAntiAffinity, and a PodDisruptionBudget with maxUnavailable: 1",
			plan:    eachWorkload(unavailable),
		},
		{
			ID: "CHT025", Severity: Warning, Suite: SuiteChart,
			Summary: "an object that another one names by the release's name is rendered, too",
			Effect:  "an Ingress or APIRule answers 503, an autoscaler scales nothing, a binding binds nobody, pods are not made or wait for ever",
			Next:    "make both names with one template, under one condition",
			plan:    eachWorkload(dangling),
		},
	}
}

// budget is what rules read of a PodDisruptionBudget.
type budget struct {
	Spec struct {
		Selector       selector        `json:"selector"`
		MinAvailable   json.RawMessage `json:"minAvailable"`
		MaxUnavailable json.RawMessage `json:"maxUnavailable"`
	} `json:"spec"`
}

// blocks says whether a budget lets no pod go at all.
func (b *budget) blocks(replicas int) bool {
	if most := strings.Trim(string(b.Spec.MaxUnavailable), `"`); most == "0" || most == "0%" {
		return true
	}
	least := strings.Trim(string(b.Spec.MinAvailable), `"`)
	if least == "100%" {
		return true
	}
	n, err := strconv.Atoi(least)
	return err == nil && n >= replicas
}

// unavailable says what is wrong with pods of which several are wanted. Clusters too old to know how to spread pods do
// not count.
func unavailable(w *workload, r rendering) []string {
	if w.Kind != "Deployment" && w.Kind != "StatefulSet" || !r.profile.podSecurity {
		return nil
	}
	replicas := 1
	if w.Spec.Replicas != nil {
		replicas = *w.Spec.Replicas
	}
	var out []string
	protected := false
	for _, m := range r.manifests {
		if m.Kind != "PodDisruptionBudget" {
			continue
		}
		b, err := decode[budget](m)
		if err != nil || !b.Spec.Selector.selects(w.Spec.Template.Metadata.Labels) {
			continue
		}
		protected = true
		if replicas > 0 && b.blocks(replicas) {
			out = append(out, fmt.Sprintf("its PodDisruptionBudget lets none of %d pods go, so that no node can be drained", replicas))
		}
	}
	if replicas < 2 {
		return out
	}
	if !protected {
		out = append(out, fmt.Sprintf("%d replicas, and no PodDisruptionBudget", replicas))
	}
	if spec := w.Spec.Template.Spec; len(spec.TopologySpreadConstraints) == 0 && len(spec.Affinity.PodAntiAffinity) == 0 {
		out = append(out, fmt.Sprintf("%d replicas, which nothing keeps from being on one node", replicas))
	}
	return out
}

// reference is what rules read of an object that names others.
type reference struct {
	RoleRef target `json:"roleRef"`
	Spec    struct {
		ServiceName    string          `json:"serviceName"`
		Service        json.RawMessage `json:"service"` // of an APIRule
		ScaleTargetRef target          `json:"scaleTargetRef"`
		DefaultBackend backend         `json:"defaultBackend"`
		Rules          []struct {
			HTTP struct {
				Paths []struct {
					Backend backend `json:"backend"`
				} `json:"paths"`
			} `json:"http"`
		} `json:"rules"`
	} `json:"spec"`
}

// target is what names another object.
type target struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// backend is where an Ingress leads, in the new and in the old way.
type backend struct {
	Service     target `json:"service"`
	ServiceName string `json:"serviceName"`
}

// dangling are the objects that one names and that are not there. Names without the release's are somebody else's.
func dangling(w *workload, r rendering) []string {
	var names [][2]string // kind, name
	i := slices.IndexFunc(r.manifests, func(m Manifest) bool { return m.Kind == w.Kind && m.Name == w.Metadata.Name })
	if i < 0 {
		return nil
	}
	if pods := w.pods(); pods != nil {
		names = append(names, [2]string{"ServiceAccount", pods.Spec.ServiceAccountName})
	}
	switch w.Kind {
	case "Ingress", "APIRule", "StatefulSet", "HorizontalPodAutoscaler", "RoleBinding", "ClusterRoleBinding":
		o, err := decode[reference](r.manifests[i])
		if err != nil {
			return nil
		}
		names = append(names, [2]string{"Service", o.Spec.ServiceName}, [2]string{o.RoleRef.Kind, o.RoleRef.Name}, [2]string{o.Spec.ScaleTargetRef.Kind, o.Spec.ScaleTargetRef.Name})
		var exposed target
		if json.Unmarshal(o.Spec.Service, &exposed) == nil {
			names = append(names, [2]string{"Service", exposed.Name})
		}
		backends := []backend{o.Spec.DefaultBackend}
		for _, rule := range o.Spec.Rules {
			for _, at := range rule.HTTP.Paths {
				backends = append(backends, at.Backend)
			}
		}
		for _, b := range backends {
			names = append(names, [2]string{"Service", b.Service.Name}, [2]string{"Service", b.ServiceName})
		}
	}
	return append(danglingNames(names, r), danglingGifts(w, r)...)
}

// danglingGifts are the Secrets, ConfigMaps, claims and keys that pods are given and that are not there. What something else than pods
// names too (a Job or a role before the release, an ExternalSecret, a Certificate) may be made in the cluster.
func danglingGifts(w *workload, r rendering) []string {
	var out []string
	for kind, one := range w.gifts() {
		name := cmp.Or(one.Name, one.SecretName, one.ClaimName)
		if one.Optional || !strings.Contains(name, r.release[:min(uniquePart, len(r.release))]) {
			continue
		}
		i := slices.IndexFunc(r.manifests, func(m Manifest) bool { return m.Kind == kind && m.Name == name })
		switch {
		case i < 0:
			if !slices.ContainsFunc(r.manifests, func(m Manifest) bool { return mayMake(m, w, name) }) {
				out = append(out, danglingNames([][2]string{{kind, name}}, r)...)
			}
		case one.Key != "":
			if o, err := decode[keyed](r.manifests[i]); err == nil && o.Data[one.Key] == nil && o.StringData[one.Key] == nil && o.BinaryData[one.Key] == nil {
				out = append(out, fmt.Sprintf("names the key %s of the %s %s, which has none of that name", one.Key, kind, shownName(name, r)))
			}
		}
	}
	return out
}

// mayMake says whether an object may be what makes another one of that name: it names it, and is no pods but those of a Job.
func mayMake(m Manifest, w *workload, name string) bool {
	if m.Kind == w.Kind && m.Name == w.Metadata.Name || m.seen.workload.pods() != nil && m.Kind != "Job" {
		return false
	}
	return bytes.Contains(m.Content, []byte(name))
}

// shownName is a name without what differs from release to release.
func shownName(name string, r rendering) string {
	if rest, found := strings.CutPrefix(name, r.release); found {
		return "<release>" + rest
	}
	return name
}

// gifts are what the pods of a workload are given, by the kind of the object.
func (w *workload) gifts() iter.Seq2[string, given] {
	return func(yield func(string, given) bool) {
		pods := w.pods()
		if pods == nil {
			return
		}
		each := func(s source) bool {
			for _, from := range []struct {
				kind string
				one  *given
			}{
				{"Secret", s.Secret}, {"ConfigMap", s.ConfigMap}, {"PersistentVolumeClaim", s.Claim}, {"Secret", s.SecretRef},
				{"ConfigMap", s.ConfigMapRef}, {"Secret", s.SecretKey}, {"ConfigMap", s.ConfigMapKey},
			} {
				if from.one != nil && !yield(from.kind, *from.one) {
					return false
				}
			}
			return true
		}
		for _, one := range pods.Spec.ImagePullSecrets {
			if !yield("Secret", one) {
				return
			}
		}
		sources := []source{}
		for _, v := range pods.Spec.Volumes {
			sources = append(append(sources, v.source), v.Projected.Sources...)
		}
		for _, c := range pods.containers() {
			sources = append(sources, c.EnvFrom...)
			for _, e := range c.Env {
				sources = append(sources, e.ValueFrom)
			}
		}
		for _, s := range sources {
			if !each(s) {
				return
			}
		}
	}
}

// danglingNames are those of kinds and names that are of the release and not rendered.
func danglingNames(names [][2]string, r rendering) []string {
	unique := r.release[:min(uniquePart, len(r.release))]
	var out []string
	for _, name := range names {
		if !strings.Contains(name[1], unique) || slices.ContainsFunc(r.manifests, func(m Manifest) bool { return m.Kind == name[0] && m.Name == name[1] }) {
			continue
		}
		shown := shownName(name[1], r)
		out = append(out, fmt.Sprintf("names the %s %s, which is not rendered", name[0], shown))
	}
	return out
}
