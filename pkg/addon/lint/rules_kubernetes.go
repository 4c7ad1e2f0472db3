package lint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// waitLimit is how long the broker waits for an installation, in seconds.
const waitLimit = 3600

// kubernetesRules are about the objects that a chart renders.
func kubernetesRules() []Rule {
	return []Rule{
		{
			ID: "CHT010", Severity: Warning, Suite: SuiteChart,
			Summary: "everything becomes ready by itself within the hour that the broker waits: hooks have a deadline, a single pod is not replaced before the next is ready, and no Service waits for a load balancer",
			Effect:  "an instance is reported as ready before it is, or fails after an hour",
			Next:    "set activeDeadlineSeconds in hook Jobs, maxUnavailable: 0 with one replica, type: ClusterIP with an Ingress or APIRule",
			plan:    eachObject(becomesReady),
		},
		{
			ID: "CHT017", Severity: Error, Suite: SuiteChart,
			Summary: "rendered objects have the fields and types that Kubernetes knows",
			Effect:  "the cluster refuses the object, or drops the field without a word",
			Next:    "correct the field; kubectl explain shows what there is",
			plan: func(p *planContext) []problem {
				seen := map[*seenDocument]bool{} // whatever the cluster
				return p.judged(func(k Kubernetes, m Manifest, _ rendering) []string {
					if seen[m.seen] {
						return nil
					}
					seen[m.seen] = true
					return once(m.seen, strict, func() []string { return k.Strict(m.Content, m.Object) })
				})
			},
		},
		{
			ID: "CHT018", Severity: Error, Suite: SuiteChart,
			Summary: "rendered objects are of APIs that the cluster they are rendered for still has",
			Effect:  "the installation fails",
			Next:    "choose the API by .Capabilities.APIVersions.Has",
			plan: func(p *planContext) []problem {
				return p.judged(func(k Kubernetes, m Manifest, r rendering) []string {
					api, err := decode[apiOf](m)
					if err != nil {
						return nil
					}
					if since := k.Removed(api.APIVersion, api.Kind, r.profile.kubeVersion); since != "" {
						return []string{fmt.Sprintf("the API is gone since Kubernetes %s", since)}
					}
					return nil
				})
			},
		},
		{
			ID: "CHT019", Severity: Warning, Suite: SuiteChart,
			Summary: "containers that serve a port have a readiness probe, and probes call ports that exist",
			Effect:  "pods get requests before they can answer, or never become ready",
			Next:    "add readinessProbe, with the name of a port of the container",
			plan:    eachContainer(wrongProbes),
		},
		{
			ID: "CHT020", Severity: Warning, Suite: SuiteChart,
			Summary: "Services and what makes pods have the labels app.kubernetes.io/name, instance and managed-by, and helm.sh/chart; selectors use none that change with the version",
			Effect:  "tools cannot tell what belongs together; an upgrade fails, since selectors cannot change",
			Next:    "add the labels in one template; select by name, instance and component",
			plan:    eachObject(wrongLabels),
		},
		{
			ID: "CHT021", Severity: Warning, Suite: SuiteChart,
			Summary: "each Service, PodDisruptionBudget and NetworkPolicy selects pods of the chart",
			Effect:  "requests find nobody; pods are not protected as they look",
			Next:    "give selector and pods the same labels",
			plan: eachWorkload(func(w *workload, r rendering) []string {
				selects := w.Spec.Selector
				if w.Kind == "NetworkPolicy" {
					selects = policyOf(w, r)
				}
				if !slices.Contains([]string{"Service", "PodDisruptionBudget", "NetworkPolicy"}, w.Kind) || len(selects.labels()) == 0 {
					return nil
				}
				if !slices.ContainsFunc(r.pods(), func(t *podTemplate) bool { return selects.selects(t.Metadata.Labels) }) {
					return []string{"the selector fits no pod"}
				}
				return nil
			}),
		},
		{
			ID: "SEC002", Severity: Warning, Suite: SuiteSecurity,
			Summary: "pods run in a namespace that enforces the Pod Security Standard \"restricted\"",
			Effect:  "the cluster refuses the pods where it is enforced; elsewhere they may do more than they need",
			Next:    "set runAsNonRoot, seccompProfile RuntimeDefault, allowPrivilegeEscalation: false and capabilities.drop: [ALL]",
			plan: func(p *planContext) []problem {
				return p.judged(func(k Kubernetes, m Manifest, r rendering) []string {
					if !r.profile.podSecurity {
						return nil
					}
					return once(m.seen, restricted, func() []string {
						problems, err := k.Restricted(m.Content, m.Object)
						if err != nil {
							return []string{oneLine(err)}
						}
						return problems
					})
				})
			},
		},
		{
			ID: "SEC003", Severity: Warning, Suite: SuiteSecurity,
			Summary: "containers request CPU and memory, and have a limit of memory",
			Effect:  "one container takes what others need, and is the first that is evicted",
			Next:    "set resources.requests and resources.limits.memory",
			plan: eachContainer(func(_ *workload, c container) string {
				var lacks []string
				for _, has := range []struct {
					what string
					in   map[string]any
				}{{"requests.cpu", c.Resources.Requests}, {"requests.memory", c.Resources.Requests}, {"limits.memory", c.Resources.Limits}} {
					_, key, _ := strings.Cut(has.what, ".")
					if !slices.Contains(sortedKeys(has.in), key) {
						lacks = append(lacks, has.what)
					}
				}
				if len(lacks) == 0 {
					return ""
				}
				return "without " + strings.Join(lacks, ", ")
			}),
		},
		{
			ID: "SEC004", Severity: Warning, Suite: SuiteSecurity,
			Summary: "images have a version, and not latest, or a digest",
			Effect:  "what runs changes without anybody's doing",
			Next:    "write the tag of a release, or a digest",
			plan: eachContainer(func(_ *workload, c container) string {
				if strings.Contains(c.Image, "@sha256:") {
					return ""
				}
				_, tag, found := strings.Cut(c.Image[strings.LastIndex(c.Image, "/")+1:], ":")
				if !found || tag == "" || tag == "latest" {
					return fmt.Sprintf("the image %q has no version", c.Image)
				}
				return ""
			}),
		},
		{
			ID: "SEC005", Severity: Warning, Suite: SuiteSecurity,
			Summary: "roles name what they allow: no *, and no Secrets of the whole cluster",
			Effect:  "who takes over the pod may do far more than it does",
			Next:    "list verbs, resources and resourceNames",
			plan:    wideRoles,
		},
		{
			ID: "SEC006", Severity: Warning, Suite: SuiteSecurity,
			Summary: "a NetworkPolicy selects the pods that serve a port",
			Effect:  "every pod of the cluster may call them",
			Next:    "add a NetworkPolicy that lets in whom they are for",
			plan: eachWorkload(func(w *workload, r rendering) []string {
				pods := w.pods()
				if pods == nil || w.Kind == "Pod" || !slices.ContainsFunc(pods.containers(), func(c container) bool { return len(c.Ports) > 0 }) {
					return nil
				}
				for _, m := range r.manifests {
					if selects := policyOf(&m.seen.workload, r); m.Kind == "NetworkPolicy" && selects.selects(pods.Metadata.Labels) {
						return nil
					}
				}
				return []string{"no NetworkPolicy selects the pods"}
			}),
		},
		{
			ID: "SEC007", Severity: Warning, Suite: SuiteSecurity,
			Summary: "pods get a token for the Kubernetes API only with an account of their own",
			Effect:  "the namespace's default account is handed to a program that needs none",
			Next:    "set automountServiceAccountToken: false, or serviceAccountName",
			plan: eachObject(func(w *workload) []string {
				pods := w.pods()
				if pods == nil || pods.Spec.ServiceAccountName != "" && pods.Spec.ServiceAccountName != "default" {
					return nil
				}
				if mount := pods.Spec.AutomountServiceAccountToken; mount != nil && !*mount {
					return nil
				}
				return []string{"the pod gets the token of the default account"}
			}),
		},
		{
			ID: "SEC008", Severity: Warning, Suite: SuiteSecurity,
			Summary: "no password or token stands in a template, neither in an environment variable nor in a ConfigMap",
			Effect:  "everybody who can read the chart, or the ConfigMap, has it",
			Next:    "put it into a Secret that is made of a form field, and use secretKeyRef",
			plan:    plainSecrets,
		},
	}
}

// What Kubernetes is asked once about each document.
const strict, restricted = "strict", "restricted"

// judged makes problems of what Kubernetes says of each object of each rendering.
func (p *planContext) judged(judge func(Kubernetes, Manifest, rendering) []string) []problem {
	if p.options.Kubernetes == nil {
		return nil
	}
	var problems []problem
	type judgement struct {
		document *seenDocument
		version  string
	}
	judged := map[judgement]bool{} // most objects are the same for every cluster
	for _, r := range p.render() {
		if r.err != nil {
			return nil
		}
		for _, m := range r.manifests {
			id := judgement{m.seen, r.profile.kubeVersion}
			if judged[id] {
				continue
			}
			judged[id] = true
			for _, what := range judge(p.options.Kubernetes, m, r) {
				problems = append(problems, p.sourceProblem(m, "%s %s: %s", m.Kind, p.general(m.Name), what))
			}
		}
	}
	return unique(problems)
}

// pods are the templates of all pods of a rendering.
func (r rendering) pods() []*podTemplate {
	var out []*podTemplate
	for _, m := range r.manifests {
		if pods := m.seen.workload.pods(); pods != nil {
			out = append(out, pods)
		}
	}
	return out
}

// policyOf is the selector of a NetworkPolicy.
func policyOf(w *workload, r rendering) selector {
	for _, m := range r.manifests {
		if m.Kind != "NetworkPolicy" || m.Name != w.Metadata.Name {
			continue
		}
		o, err := decode[struct {
			Spec struct {
				PodSelector selector `json:"podSelector"`
			} `json:"spec"`
		}](m)
		if err == nil {
			return o.Spec.PodSelector
		}
	}
	return selector{}
}

func becomesReady(w *workload) []string {
	var out []string
	switch w.Kind {
	case "Deployment":
		single := w.Spec.Replicas == nil || *w.Spec.Replicas <= 1
		if single && atLeastOne(w.Spec.Strategy.RollingUpdate.MaxUnavailable) {
			out = append(out, "one replica, of which maxUnavailable lets one be missing: it counts as ready when none is")
		}
	case "Job":
		deadline := w.Spec.ActiveDeadlineSeconds
		if w.hook() != "" && !w.isTest() && (deadline == nil || *deadline > waitLimit) {
			out = append(out, fmt.Sprintf("the hook has no activeDeadlineSeconds of at most %d", waitLimit))
		}
	case "Service":
		if w.Spec.Type == "LoadBalancer" {
			out = append(out, "the broker waits until the load balancer has an address")
		}
	}
	return out
}

// atLeastOne says whether an IntOrString lets the only pod be missing: percentages are rounded down.
func atLeastOne(value json.RawMessage) bool {
	text := strings.Trim(string(value), `"`)
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		return percent == "100"
	}
	n, err := strconv.Atoi(text)
	return err == nil && n > 0
}

func wrongProbes(w *workload, c container) string {
	if len(c.Ports) > 0 && c.ReadinessProbe == nil && slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet"}, w.Kind) {
		return "there is no readiness probe"
	}
	for _, p := range []*probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if p == nil {
			continue
		}
		if name, ok := p.port().(string); ok && name != "" {
			if !slices.ContainsFunc(c.Ports, func(port containerPort) bool { return port.Name == name }) {
				return fmt.Sprintf("a probe calls the port %s, which does not exist", name)
			}
		}
	}
	return ""
}

func wrongLabels(w *workload) []string {
	if w.pods() == nil && w.Kind != "Service" {
		return nil
	}
	var out, lacks []string
	for _, label := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
		if w.Metadata.Labels[label] == "" {
			lacks = append(lacks, label)
		}
	}
	if len(lacks) > 0 {
		out = append(out, "without the labels "+strings.Join(lacks, ", "))
	}
	for _, label := range []string{"app.kubernetes.io/version", "helm.sh/chart"} {
		if w.pods() != nil && w.Spec.Selector.labels()[label] != "" {
			out = append(out, fmt.Sprintf("the selector uses %s", label))
		}
	}
	return out
}

func wideRoles(p *planContext) []problem {
	var problems []problem
	for _, m := range p.objects() {
		if m.Kind != "Role" && m.Kind != "ClusterRole" {
			continue
		}
		o, err := decode[struct {
			Rules []struct {
				APIGroups     []string `json:"apiGroups"`
				Resources     []string `json:"resources"`
				ResourceNames []string `json:"resourceNames"`
				Verbs         []string `json:"verbs"`
			} `json:"rules"`
		}](m)
		if err != nil {
			continue
		}
		for _, rule := range o.Rules {
			if slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
				problems = append(problems, p.sourceProblem(m, "%s %s allows *", m.Kind, p.general(m.Name)))
			} else if m.Kind == "ClusterRole" && slices.Contains(rule.Resources, "secrets") && len(rule.ResourceNames) == 0 {
				problems = append(problems, p.sourceProblem(m, "%s %s allows Secrets without resourceNames", m.Kind, p.general(m.Name)))
			}
		}
	}
	return unique(problems)
}

// plainSecrets finds secrets that stand in a template. Those of the form are another rule's business.
func plainSecrets(p *planContext) []problem {
	var problems []problem
	for _, m := range p.objects() {
		secrets := p.render()[0].secrets
		if pods := m.seen.workload.pods(); pods != nil {
			for _, c := range pods.containers() {
				for _, e := range c.Env {
					if p.looksPlain(e.Name, e.Value, secrets) {
						problems = append(problems, p.sourceProblem(m, "%s %s: container %s: the variable %s looks like a secret", m.Kind, p.general(m.Name), c.Name, e.Name))
					}
				}
			}
		}
		if m.Kind != "ConfigMap" {
			continue
		}
		o, _ := decode[struct {
			Data map[string]string `json:"data"`
		}](m)
		for key, value := range o.Data {
			if p.looksPlain(key, value, secrets) {
				problems = append(problems, p.sourceProblem(m, "%s %s: the key %s looks like a secret", m.Kind, p.general(m.Name), key))
			}
		}
	}
	return unique(problems)
}

// looksPlain says whether a name is that of a secret and the value one, rather than a path, an address, a
// switch or the name of something.
func (p *planContext) looksPlain(name, value string, secrets map[string]string) bool {
	if !holdsSecret(name) || len(value) < 4 || strings.ContainsAny(value, "/\n {") || strings.HasPrefix(value, p.release()[:uniquePart]) {
		return false
	}
	for marker := range secrets {
		if strings.Contains(value, marker) {
			return false
		}
	}
	_, isNumber := strconv.ParseFloat(value, 64)
	return isNumber != nil && value != "true" && value != "false"
}
