// Package cache remembers results on disk, by the content that they follow from. What is missing, damaged or cannot
// be written is computed again: nothing depends on it.
package cache

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// keep is how long a result stays that nobody asks for, and maxResult bounds one in bytes.
const (
	keep      = 30 * 24 * time.Hour
	maxResult = 64 << 20
)

// Cache is a directory of results. It is safe for concurrent use, by several processes too. A nil Cache
// remembers nothing.
type Cache struct{ dir, program string }

// Open opens the cache in a directory, which is made when something is put into it. The results of another program
// than this one, or of another build of it, are not seen.
func Open(dir string) *Cache {
	program, err := identify()
	if err != nil {
		return nil
	}
	return &Cache{dir: dir, program: program}
}

// identify tells builds of this program apart: by the digest that the linker leaves in it, and by its size and time
// where there is none.
func identify() (string, error) {
	file, err := os.Executable()
	if err != nil {
		return "", err
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	id := fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
	if binary, err := elf.Open(file); err == nil {
		if note := binary.Section(".note.go.buildid"); note != nil {
			if data, err := note.Data(); err == nil {
				id = fmt.Sprintf("%d %x", info.Size(), data)
			}
		}
		if err := binary.Close(); err != nil {
			return "", err
		}
	}
	return id, nil
}

// file is where the result of a key is. A key is any text that names all that the result follows from.
func (c *Cache) file(key string) string {
	sum := sha256.Sum256([]byte(c.program + "\n" + key))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(c.dir, name[:2], name[2:])
}

// Get returns what was put under the key, if it is there and undamaged.
func (c *Cache) Get(key string) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	name := c.file(key)
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() < sha256.Size || info.Size() > maxResult+sha256.Size {
		return nil, false
	}
	data, err := os.ReadFile(name)
	if err != nil || len(data) < sha256.Size {
		return nil, false
	}
	sum, result := data[:sha256.Size], data[sha256.Size:]
	if sha256.Sum256(result) != [sha256.Size]byte(sum) {
		return nil, false
	}
	if now := time.Now(); now.Sub(info.ModTime()) > 24*time.Hour {
		_ = os.Chtimes(name, now, now) // it is still in use; if that fails, it is computed again some day
	}
	return result, true
}

// Put remembers a result. Whoever reads at the same time sees all of it or nothing.
func (c *Cache) Put(key string, result []byte) {
	if c == nil || len(result) > maxResult {
		return
	}
	name := c.file(key)
	if os.MkdirAll(filepath.Dir(name), 0o700) != nil {
		return
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return
	}
	sum := sha256.Sum256(result)
	_, err = temporary.Write(append(sum[:], result...))
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temporary.Name(), name)
	}
	if err != nil {
		_ = os.Remove(temporary.Name()) // Prune does otherwise
	}
}

// pruned is a file whose time says when Prune looked last.
const pruned = "pruned"

// Prune removes what nobody has asked for in a month. It looks at most once a day.
func (c *Cache) Prune() {
	if c == nil {
		return
	}
	stamp, now := filepath.Join(c.dir, pruned), time.Now()
	info, err := os.Stat(stamp)
	if err == nil && now.Sub(info.ModTime()) < 24*time.Hour {
		return
	}
	if _, err := os.Stat(c.dir); err != nil || os.WriteFile(stamp, nil, 0o600) != nil {
		return
	}
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return
	}
	defer func() { _ = root.Close() }()
	// What cannot be removed is tried again tomorrow.
	_ = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || name == pruned {
			return nil //nolint:nilerr // somebody else removes, too
		}
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > keep {
			_ = root.Remove(name)
		}
		return nil
	})
}
