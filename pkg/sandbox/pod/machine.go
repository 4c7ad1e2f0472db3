// Package pod runs the pods of rendered manifests as processes of this machine: the same commands,
// arguments, variables and mounted files; only paths, listen addresses and the way out are rewritten.
package pod

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// Objects gives pods the Secrets and ConfigMaps of the simulated cluster. It is called again for every
// pod that starts.
type Objects interface {
	// Secret returns a Secret's data; found is false where there is none.
	Secret(ctx context.Context, namespace, name string) (data map[string][]byte, found bool, err error)
	// ConfigMap returns a ConfigMap's data; found is false where there is none.
	ConfigMap(ctx context.Context, namespace, name string) (data map[string][]byte, found bool, err error)
}

// Machine is where pods run.
type Machine struct {
	// Dir is the directory below which each pod gets one for its volumes and logs. It must exist.
	Dir string
	// Binaries is the directory that holds one executable per image, named like the image.
	Binaries string
	// Objects are the Secrets and ConfigMaps that pods refer to.
	Objects Objects
	// Env returns what is added to the environment of a pod's processes: proxy, certificate authority,
	// cluster address.
	Env func(*corev1.Pod) ([]string, error)
	// Redactor returns what is known to be secret now; process output passes through it.
	Redactor func() *secret.Redactor
	// Grace bounds how long a process may take to end after SIGTERM; the pod's own period holds if it
	// is shorter.
	Grace time.Duration
}

// Binary finds the executable for a container: the name of the command if the container sets one, else
// that of the image without registry, tag and digest.
func (m *Machine) Binary(image string, command []string) (string, error) {
	name := ImageName(image)
	if len(command) > 0 {
		name = filepath.Base(command[0])
	}
	path := filepath.Join(m.Binaries, name)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("image %s: there is no program %s in %s: run make build, or name the directory of the programs", image, name, m.Binaries)
	case err != nil:
		return "", fmt.Errorf("image %s: %w", image, err)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return "", fmt.Errorf("image %s: %s is no program", image, path)
	}
	return path, nil
}

// ImageName is the last part of an image's name: "registry:5000/team/event-gateway:0.1.0@sha256:…" gives
// "event-gateway".
func ImageName(image string) string {
	name, _, _ := strings.Cut(image, "@")
	name = name[strings.LastIndexByte(name, '/')+1:]
	name, _, _ = strings.Cut(name, ":")
	return name
}
