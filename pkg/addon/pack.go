package addon

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// level makes archives a twentieth larger than the best one does, in a seventh of its time.
const level = 6

// compressors are used again: their tables are large.
var compressors = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, level) // the level is a known one
	return w
}}

// Pack makes a gzipped tar of the tree below prefix (empty: at the root of the archive). The same tree
// gives the same bytes: entries are sorted, each directory comes before its files (Helm Broker needs
// that), owners and times are zero, modes are 0644 or 0755.
func Pack(tree Tree, prefix string) ([]byte, error) {
	var out bytes.Buffer
	zipped, _ := compressors.Get().(*gzip.Writer)
	defer compressors.Put(zipped)
	zipped.Reset(&out)
	zipped.ModTime = time.Unix(0, 0)
	w := tar.NewWriter(zipped)
	seen := map[string]bool{".": true}
	for _, f := range tree.files {
		name := path.Join(prefix, f.Path)
		if err := packDirs(w, path.Dir(name), seen); err != nil {
			return nil, err
		}
		mode := int64(0o644)
		if f.Executable {
			mode = 0o755
		}
		if err := packHeader(w, &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(f.Data))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// packDirs writes the entries of dir and its parents that have not been written yet.
func packDirs(w *tar.Writer, dir string, seen map[string]bool) error {
	if seen[dir] {
		return nil
	}
	seen[dir] = true
	if err := packDirs(w, path.Dir(dir), seen); err != nil {
		return err
	}
	return packHeader(w, &tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755})
}

func packHeader(w *tar.Writer, h *tar.Header) error {
	h.ModTime = time.Unix(0, 0)
	h.Format = tar.FormatUSTAR
	if err := w.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w; use a shorter name of plain characters", h.Name, err)
	}
	return nil
}

// Digest is the SHA-256 of data in hexadecimal digits.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
