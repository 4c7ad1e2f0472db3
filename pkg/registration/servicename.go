package registration

import (
	"crypto/sha1" //nolint:gosec // Kyma derives service names by SHA-1; nothing is protected by it.
	"encoding/hex"
	"strings"
)

// ServiceName is the technical name that Kyma gives to a service: URLSegment and the start of a digest of
// the id.
func ServiceName(displayName, id string) string {
	sum := sha1.Sum([]byte(id)) //nolint:gosec // see above
	return strings.TrimPrefix(URLSegment(displayName)+"-"+hex.EncodeToString(sum[:])[:5], "-")
}
