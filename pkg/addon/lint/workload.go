package lint

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// workload is what rules read of an object that makes pods.
type workload struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		podSpec  `json:",inline"` // of a Pod
		Replicas *int             `json:"replicas"`
		Strategy struct {
			Type          string `json:"type"`
			RollingUpdate struct {
				MaxUnavailable json.RawMessage `json:"maxUnavailable"`
			} `json:"rollingUpdate"`
		} `json:"strategy"`
		Selector              selector    `json:"selector"`
		Type                  string      `json:"type"` // of a Service
		ActiveDeadlineSeconds *int        `json:"activeDeadlineSeconds"`
		Template              podTemplate `json:"template"`
		JobTemplate           struct {
			Spec struct {
				Template podTemplate `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

type podTemplate struct {
	Metadata struct {
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec podSpec `json:"spec"`
}

type podSpec struct {
	ServiceAccountName           string      `json:"serviceAccountName"`
	AutomountServiceAccountToken *bool       `json:"automountServiceAccountToken"`
	InitContainers               []container `json:"initContainers"`
	Containers                   []container `json:"containers"`
	Affinity                     struct {
		PodAntiAffinity map[string]json.RawMessage `json:"podAntiAffinity"`
	} `json:"affinity"`
	TopologySpreadConstraints []json.RawMessage `json:"topologySpreadConstraints"`
	Volumes                   []volume          `json:"volumes"`
	ImagePullSecrets          []given           `json:"imagePullSecrets"`
}

// given names an object that a pod is given, and a key in it or all of it.
type given struct {
	Name       string `json:"name"`
	SecretName string `json:"secretName"` // of a volume
	ClaimName  string `json:"claimName"`  // of a volume
	Key        string `json:"key"`
	Optional   bool   `json:"optional"`
}

// source is where a volume or a variable is from.
type source struct {
	Secret       *given `json:"secret"`
	ConfigMap    *given `json:"configMap"`
	Claim        *given `json:"persistentVolumeClaim"`
	SecretRef    *given `json:"secretRef"`
	ConfigMapRef *given `json:"configMapRef"`
	SecretKey    *given `json:"secretKeyRef"`
	ConfigMapKey *given `json:"configMapKeyRef"`
}

type volume struct {
	source    `json:",inline"`
	Projected struct {
		Sources []source `json:"sources"`
	} `json:"projected"`
}

type container struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	Env   []struct {
		Name      string `json:"name"`
		Value     string `json:"value"`
		ValueFrom source `json:"valueFrom"`
	} `json:"env"`
	EnvFrom   []source        `json:"envFrom"`
	Ports     []containerPort `json:"ports"`
	Resources struct {
		Requests map[string]any `json:"requests"`
		Limits   map[string]any `json:"limits"`
	} `json:"resources"`
	LivenessProbe  *probe `json:"livenessProbe"`
	ReadinessProbe *probe `json:"readinessProbe"`
	StartupProbe   *probe `json:"startupProbe"`
}

type containerPort struct {
	Name string `json:"name"`
}

type probe struct {
	HTTPGet   *probePort `json:"httpGet"`
	TCPSocket *probePort `json:"tcpSocket"`
}

type probePort struct {
	Port any `json:"port"`
}

// port is what the probe calls, nil where it calls none.
func (p *probe) port() any {
	switch {
	case p.HTTPGet != nil:
		return p.HTTPGet.Port
	case p.TCPSocket != nil:
		return p.TCPSocket.Port
	default:
		return nil
	}
}

// selector is a LabelSelector, or the plain map of a Service.
type selector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []json.RawMessage `json:"matchExpressions"`
	plain            map[string]string
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *selector) UnmarshalJSON(data []byte) error {
	type labels selector
	if err := json.Unmarshal(data, (*labels)(s)); err == nil && (s.MatchLabels != nil || s.MatchExpressions != nil) {
		return nil
	}
	_ = json.Unmarshal(data, &s.plain) // the selector of another kind is nobody's business here
	return nil
}

// labels are those that a pod must have.
func (s *selector) labels() map[string]string {
	if s.MatchLabels != nil {
		return s.MatchLabels
	}
	return s.plain
}

// selects says whether a pod with these labels is selected, as far as matchLabels say.
func (s *selector) selects(labels map[string]string) bool {
	for key, value := range s.labels() {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// pods is the template of the pods that a workload makes, nil where it makes none.
func (w *workload) pods() *podTemplate {
	switch w.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job":
		return &w.Spec.Template
	case "CronJob":
		return &w.Spec.JobTemplate.Spec.Template
	case "Pod":
		t := &podTemplate{Spec: w.Spec.podSpec}
		t.Metadata.Labels = w.Metadata.Labels
		return t
	default:
		return nil
	}
}

func (t *podTemplate) containers() []container {
	return slices.Concat(t.Spec.InitContainers, t.Spec.Containers)
}

// hook returns the moments at which Helm makes the object, empty where it belongs to the release itself.
func (w *workload) hook() string { return w.Metadata.Annotations["helm.sh/hook"] }

func (w *workload) isTest() bool { return strings.Contains(w.hook(), "test") }

// eachObject makes a rule of a check of one rendered object.
func eachObject(check func(w *workload) []string) func(*planContext) []problem {
	return func(p *planContext) []problem {
		var problems []problem
		for _, m := range p.objects() {
			w := &m.seen.workload
			for _, what := range check(w) {
				problems = append(problems, p.sourceProblem(m, "%s %s: %s", w.Kind, p.general(w.Metadata.Name), what))
			}
		}
		return unique(problems)
	}
}

// eachWorkload makes a rule of a check of one object among those that are rendered with it. It runs for every rendering.
func eachWorkload(check func(w *workload, r rendering) []string) func(*planContext) []problem {
	return func(p *planContext) []problem {
		var problems []problem
		for _, r := range p.render() {
			if r.err != nil {
				return nil
			}
			for _, m := range r.manifests {
				w := &m.seen.workload
				for _, what := range check(w, r) {
					problems = append(problems, p.sourceProblem(m, "%s %s: %s", w.Kind, p.general(w.Metadata.Name), what))
				}
			}
		}
		return unique(problems)
	}
}

// eachContainer makes a rule of a check of one container. Those of tests do not count.
func eachContainer(check func(w *workload, c container) string) func(*planContext) []problem {
	return eachObject(func(w *workload) []string {
		pods := w.pods()
		if pods == nil || w.isTest() {
			return nil
		}
		var out []string
		for _, c := range pods.containers() {
			if what := check(w, c); what != "" {
				out = append(out, "container "+c.Name+": "+what)
			}
		}
		return out
	})
}

// general is the name of an object without that of the release, which is made up.
func (p *planContext) general(name string) string {
	if rest, found := strings.CutPrefix(name, p.release()); found {
		return "<release>" + rest
	}
	return name
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
