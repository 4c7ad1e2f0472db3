package addon

// RepositoryURLValue is the value that Helm Broker adds to every release: the address of the index that
// the add-on comes from.
const RepositoryURLValue = "addonsRepositoryURL"

// Merge makes the values that Helm Broker gives to Helm: those of the plan, the parameters of the form,
// the address of the repository.
func (p *Plan) Merge(parameters map[string]any, repositoryURL string) map[string]any {
	return MergeValues(p.Values, parameters, map[string]any{RepositoryURLValue: repositoryURL})
}

// MergeValues merges values as Helm Broker does: maps deeply, anything else is replaced, later layers win.
// The layers are not changed.
func MergeValues(layers ...map[string]any) map[string]any {
	out := map[string]any{}
	for _, layer := range layers {
		for key, value := range layer {
			below, isMap := out[key].(map[string]any)
			if above, ok := value.(map[string]any); ok && isMap {
				out[key] = MergeValues(below, above)
			} else {
				out[key] = value
			}
		}
	}
	return out
}
