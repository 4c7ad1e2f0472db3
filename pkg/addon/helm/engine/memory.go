package engine

import "sync"

// memory remembers what follows from a text alone. It is safe for concurrent use.
type memory struct {
	files   table[*file]
	fromMap table[map[string]any]
	fromSeq table[[]any]
	toYAML  table[string]
	regexps table[*regexpOf]
	semver  table[bool]
}

// maxRemembered bounds each table, in bytes.
const maxRemembered = 8 << 20

// table remembers results by text. What it returns is shared: nobody changes it.
type table[T any] struct {
	mu    sync.Mutex
	known map[string]T
	size  int
}

// get returns the result for a key, made once. size is about what it takes, in bytes.
func (t *table[T]) get(key string, size int, create func() T) T {
	t.mu.Lock()
	found, known := t.known[key]
	t.mu.Unlock()
	if known {
		return found
	}
	made := create()
	t.mu.Lock()
	defer t.mu.Unlock()
	if size += len(key); t.known == nil || t.size+size > maxRemembered {
		t.known, t.size = map[string]T{}, 0
	}
	t.known[key] = made
	t.size += size
	return made
}
