// Package schemas holds the JSON Schemas of this project's files: editors read them as files, the tools
// from here.
package schemas

import "embed"

// Files holds every schema, by its file name.
//
//go:embed *.schema.json
var Files embed.FS

// Names of the schemas in Files.
const (
	Connector = "connector.schema.json"
	AddonMeta = "addon-meta.schema.json"
	PlanMeta  = "plan-meta.schema.json"
	DocsMeta  = "docs-meta.schema.json"
	Index     = "index.schema.json"
	// Kyma holds, by group, version and kind, what objects of Kyma and Istio may have.
	Kyma = "kyma.schema.json"
)

// Read returns one schema.
func Read(name string) ([]byte, error) { return Files.ReadFile(name) }
