package kube

// mergePatch applies an RFC 7386 merge patch.
func mergePatch(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return deepCopy(patch)
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for key, value := range changes {
		if value == nil {
			delete(object, key)
			continue
		}
		object[key] = mergePatch(object[key], value)
	}
	return object
}
