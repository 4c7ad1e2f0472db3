package registration

import "strings"

// maxSegment is the length in bytes at which Kyma cuts a URL segment off.
const maxSegment = 57

// URLSegment is the part of a service's address that Kyma's gateway derives from its display name. Two
// services of an Application with the same segment make each other unusable. It is empty where the name
// has no letter from a to z and no digit: such a service cannot be called at all.
func URLSegment(displayName string) string {
	var b strings.Builder
	gap := false
	for i := 0; i < len(displayName); i++ {
		c := displayName[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
			fallthrough
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteByte(c)
			gap = false
		case !gap:
			b.WriteByte('-')
			gap = true
		}
	}
	segment := strings.TrimSuffix(b.String(), "-")
	if len(segment) > maxSegment {
		segment = segment[:maxSegment]
	}
	return strings.TrimPrefix(segment, "-")
}
