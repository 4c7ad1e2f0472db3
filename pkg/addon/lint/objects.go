package lint

import (
	"fmt"
	"slices"
	"strings"
)

// object is what rules read of a rendered object.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Template struct {
			Metadata struct {
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
		} `json:"template"`
	} `json:"spec"`
}

// apiOf says of which API an object is.
type apiOf struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// isObjectName says whether a text begins and ends with a small letter or digit, with - . in between.
func isObjectName(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && i < len(text)-1 && (c == '-' || c == '.'):
		default:
			return false
		}
	}
	return text != ""
}

// isLabelValue says whether a text begins and ends with a letter or digit, with - _ . in between, or is empty.
func isLabelValue(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && i < len(text)-1 && strings.IndexByte("-_.", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// wrongValues are the labels, sorted, whose values Kubernetes does not take.
func wrongValues(labels map[string]string) (keys []string) {
	for key, value := range labels {
		if len(value) > 63 || !isLabelValue(value) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// maxName bounds the name of an object: names that become labels or host names are short, and shorter where
// pods and jobs get longer names of their own.
func maxName(kind string) int {
	switch kind {
	case "CronJob", "StatefulSet":
		return 52
	case "DaemonSet", "Deployment", "Job", "Namespace", "Pod", "ReplicaSet", "Service":
		return 63
	default:
		return 253
	}
}

// freeName says whether the kind takes names with characters that others refuse, such as a colon.
func freeName(kind string) bool {
	return slices.Contains([]string{"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}, kind)
}

// checkObjects says what is wrong with names and labels of a rendering.
func (p *planContext) checkObjects(r rendering) []problem {
	var problems []problem
	seen := map[[4]string]bool{}
	for _, m := range r.manifests {
		o, err := decode[object](m)
		if err != nil {
			problems = append(problems, p.sourceProblem(m, "%s is no object of Kubernetes: %s", m.Kind, oneLine(err)))
			continue
		}
		name := o.Metadata.Name
		switch most := maxName(o.Kind); {
		case strings.HasSuffix(o.Kind, "List") && name == "":
			problems = append(problems, p.sourceProblem(m, "a %s, whose objects nobody can check one by one; write each as a document of its own", o.Kind))
			continue
		case o.Kind == "" || o.APIVersion == "" || name == "":
			problems = append(problems, p.sourceProblem(m, "an object without apiVersion, kind or name"))
			continue
		case len(name) > most:
			problems = append(problems, p.sourceProblem(m, "%s %s: the name has %d characters of at most %d, with a release name of 53", o.Kind, name, len(name), most))
		case !isObjectName(name) && !freeName(o.Kind):
			problems = append(problems, p.sourceProblem(m, "%s %q is no valid name", o.Kind, name))
		}
		id := [4]string{o.APIVersion, o.Kind, o.Metadata.Namespace, name}
		if seen[id] {
			problems = append(problems, p.sourceProblem(m, "%s %s is there twice", o.Kind, name))
		}
		seen[id] = true
		for _, labels := range []map[string]string{o.Metadata.Labels, o.Spec.Template.Metadata.Labels} {
			for _, key := range wrongValues(labels) {
				problems = append(problems, p.sourceProblem(m, "%s %s: the label %s has no valid value", o.Kind, name, key))
			}
		}
	}
	return problems
}

// clusterScoped says whether objects of a kind have no namespace.
func clusterScoped(kind string) bool {
	switch kind {
	case "APIService", "Application", "CSIDriver", "ClusterAddonsConfiguration", "ClusterAsset", "ClusterAssetGroup", "ClusterBucket", "ClusterIssuer", "ClusterMicroFrontend",
		"ClusterRole", "ClusterRoleBinding", "ClusterServiceBroker", "CustomResourceDefinition", "FlowSchema", "IngressClass", "MutatingAdmissionPolicy",
		"MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "Namespace", "PersistentVolume", "PodSecurityPolicy", "PriorityClass", "PriorityLevelConfiguration",
		"RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeSnapshotClass":
		return true
	default:
		return false
	}
}

// uniquePart is how much of a release's name tells it from others: the prefix, two names of six characters,
// and the first eight digits of the UUID.
const uniquePart = len("hb-") + 6 + 1 + 6 + 1 + 8

// checkScope says which objects two instances would fight over.
func (p *planContext) checkScope() []problem {
	var problems []problem
	for _, r := range p.render() {
		if r.err != nil {
			return nil
		}
		for _, m := range r.manifests {
			o, err := decode[object](m)
			if err != nil || !strings.Contains(m.Source, "/templates/") { // crds/ is nobody's: Helm takes what is there
				continue
			}
			unique := r.release[:min(uniquePart, len(r.release))]
			elsewhere := o.Metadata.Namespace != "" && o.Metadata.Namespace != r.namespace
			role := o.Kind == "Role" || o.Kind == "RoleBinding"
			switch {
			case clusterScoped(o.Kind) && !strings.Contains(o.Metadata.Name, unique):
				problems = append(problems, p.sourceProblem(m, "%s %s does not carry the release's name", o.Kind, o.Metadata.Name))
			case elsewhere && role && !strings.Contains(o.Metadata.Name, unique):
				problems = append(problems, p.sourceProblem(m, "%s %s in the namespace %s does not carry the release's name", o.Kind, o.Metadata.Name, o.Metadata.Namespace))
			case elsewhere && !role:
				problems = append(problems, p.sourceProblem(m, "%s %s names the namespace %s", o.Kind, o.Metadata.Name, o.Metadata.Namespace))
			}
		}
	}
	return unique(problems)
}

// unique drops repetitions: the same template renders for every profile.
func unique(problems []problem) []problem {
	slices.SortFunc(problems, func(a, b problem) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return slices.Compact(problems)
}
