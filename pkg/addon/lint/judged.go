package lint

// judgedOnce asks Kubernetes once about each document: most are the same for every plan and cluster. It is not safe
// for concurrent use.
type judgedOnce struct {
	Kubernetes
	strict     map[identity][]string
	restricted map[identity]restriction
}

// identity tells documents apart. Those that are equal share their bytes (see Manifest); where they do not, they are
// judged again.
type identity struct {
	first *byte
	size  int
}

func identityOf(document []byte) identity {
	if len(document) == 0 {
		return identity{}
	}
	return identity{&document[0], len(document)}
}

type restriction struct {
	problems []string
	err      error
}

func judgeOnce(k Kubernetes) Kubernetes {
	if k == nil {
		return nil
	}
	return &judgedOnce{Kubernetes: k, strict: map[identity][]string{}, restricted: map[identity]restriction{}}
}

// Strict implements Kubernetes.
func (j *judgedOnce) Strict(document []byte) []string {
	id := identityOf(document)
	found, known := j.strict[id]
	if !known {
		found = j.Kubernetes.Strict(document)
		j.strict[id] = found
	}
	return found
}

// Restricted implements Kubernetes.
func (j *judgedOnce) Restricted(document []byte) ([]string, error) {
	id := identityOf(document)
	found, known := j.restricted[id]
	if !known {
		found.problems, found.err = j.Kubernetes.Restricted(document)
		j.restricted[id] = found
	}
	return found.problems, found.err
}
