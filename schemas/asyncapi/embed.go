// Package asyncapi holds the JSON Schemas that the AsyncAPI Initiative publishes for AsyncAPI 2. They are a
// package of their own, so that only what validates catalogs carries them.
package asyncapi

import (
	"embed"
	"fmt"
)

//go:embed 2.*.json
var files embed.FS

// Read returns the schema of a version such as 2.6.0.
func Read(version string) ([]byte, error) {
	data, err := files.ReadFile(version + ".json")
	if err != nil {
		return nil, fmt.Errorf("AsyncAPI %q has no schema here: use one from 2.0.0 to 2.6.0", version)
	}
	return data, nil
}
