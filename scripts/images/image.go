package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nonRoot is a number, since Kubernetes' runAsNonRoot cannot look names up.
const nonRoot = "65532:65532"

type metadata struct {
	name, version, revision, source string
	user                            string
	created                         time.Time
}

type platformImage struct {
	arch  string
	image v1.Image
}

// newImage is an image with one layer that holds one file, the binary at /NAME.
func newImage(binary, arch string, m metadata) (v1.Image, error) {
	if err := checkStatic(binary, arch); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	files, err := tarFile(m.name, content)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{
		Layer:     layer,
		MediaType: types.OCILayer,
		History:   v1.History{Created: v1.Time{Time: m.created}, CreatedBy: "scripts/images", Comment: "/" + m.name},
	})
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", arch, v1.Time{Time: m.created}
	file.Config = v1.Config{
		User:       m.user,
		Entrypoint: []string{"/" + m.name},
		Env:        []string{"PATH=/"}, // so that `kubectl exec POD -- NAME` finds it
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":   m.name,
			"org.opencontainers.image.version": m.version,
			"org.opencontainers.image.created": m.created.Format(time.RFC3339),
		},
	}
	if m.revision != "" {
		file.Config.Labels["org.opencontainers.image.revision"] = m.revision
	}
	if m.source != "" {
		file.Config.Labels["org.opencontainers.image.source"] = m.source
		file.Config.Labels["org.opencontainers.image.licenses"] = "Apache-2.0"
	}
	return mutate.ConfigFile(img, file)
}

// checkStatic refuses what would not start in an image that holds nothing else.
func checkStatic(binary, arch string) error {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	want, known := machines[arch]
	if !known {
		return fmt.Errorf("unknown architecture %q: want amd64 or arm64", arch)
	}
	file, err := elf.Open(binary)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(binary), err)
	}
	defer func() { _ = file.Close() }()
	if file.Machine != want {
		return fmt.Errorf("%s is for %s: want %s", binary, file.Machine, arch)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is linked dynamically: build it with CGO_ENABLED=0", binary)
		}
	}
	return nil
}

func tarFile(name string, content []byte) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := writeEntry(w, name, 0o755, content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// writeEntry writes a file without owner and time.
func writeEntry(w *tar.Writer, name string, mode int64, content []byte) error {
	err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(content)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR})
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}
