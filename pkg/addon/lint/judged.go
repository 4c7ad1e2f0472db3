package lint

import "github.com/Masterminds/semver/v3"

// judgedOnce asks Kubernetes once about each document: most are the same for every plan and cluster. It is not safe
// for concurrent use.
type judgedOnce struct {
	Kubernetes
	strict     map[string][]string
	removed    map[[2]string]string
	served     map[string]string // the version that serves a document's API
	restricted map[string]restriction
}

type restriction struct {
	problems []string
	err      error
}

func judgeOnce(k Kubernetes) Kubernetes {
	if k == nil {
		return nil
	}
	return &judgedOnce{Kubernetes: k, strict: map[string][]string{}, removed: map[[2]string]string{}, served: map[string]string{}, restricted: map[string]restriction{}}
}

// Strict implements Kubernetes.
func (j *judgedOnce) Strict(document []byte) []string {
	found, known := j.strict[string(document)]
	if !known {
		found = j.Kubernetes.Strict(document)
		j.strict[string(document)] = found
	}
	return found
}

// Removed implements Kubernetes.
func (j *judgedOnce) Removed(document []byte, kubeVersion string) string {
	key := [2]string{string(document), kubeVersion}
	found, known := j.removed[key]
	if !known {
		if j.servedLater(string(document), kubeVersion) {
			return ""
		}
		if found = j.Kubernetes.Removed(document, kubeVersion); found == "" {
			j.served[string(document)] = kubeVersion
		}
		j.removed[key] = found
	}
	return found
}

// servedLater says whether a newer version, or the same, is known to serve the document's API: an older one does not
// lack it then.
func (j *judgedOnce) servedLater(document, kubeVersion string) bool {
	served, known := j.served[document]
	if !known {
		return false
	}
	newer, err := semver.NewVersion(served)
	if err != nil {
		return false
	}
	older, err := semver.NewVersion(kubeVersion)
	return err == nil && !older.GreaterThan(newer)
}

// Restricted implements Kubernetes.
func (j *judgedOnce) Restricted(document []byte) ([]string, error) {
	found, known := j.restricted[string(document)]
	if !known {
		found.problems, found.err = j.Kubernetes.Restricted(document)
		j.restricted[string(document)] = found
	}
	return found.problems, found.err
}
