package lint

import (
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonschema"
)

// shared is what the add-ons of a run have in common: files of the same content are looked at once. It is safe for
// concurrent use.
type shared struct {
	random  byContent[[]problem]
	read    byContent[templateReads]
	values  byContent[map[string]any]
	parsed  byContent[*parsedYAML]
	schemas byContent[compiledSchema] // those that are published for documents
	heads   byContent[schemaHead]
}

type compiledSchema struct {
	compiled *jsonschema.Schema
	err      error
}

func compileSchema(published []byte) (s compiledSchema) {
	s.compiled, s.err = jsonschema.Compile(published)
	return s
}

// byContent remembers what follows from the content of a file alone. Nobody changes it.
type byContent[T any] struct {
	mu    sync.Mutex
	known map[string]T
}

func (b *byContent[T]) of(data []byte, look func([]byte) T) T {
	b.mu.Lock()
	found, known := b.known[string(data)]
	b.mu.Unlock()
	if known {
		return found
	}
	found = look(data)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil || len(b.known) >= maxShared {
		b.known = map[string]T{}
	}
	b.known[string(data)] = found
	return found
}

// maxShared bounds the files that are remembered.
const maxShared = 256
