package registration

import (
	"crypto/sha1" //nolint:gosec // Kyma derives service names by SHA-1; nothing is protected by it.
	"encoding/hex"
	"regexp"
	"strings"
)

var separators = regexp.MustCompile(`[^A-Za-z0-9]+`)

// maxGatewayName is where Kyma cuts a normalised name.
const maxGatewayName = 57

// GatewayName is the path segment under which Kyma's gateway serves a display name. Two services of one
// Application whose GatewayName is the same cannot be called at all; neither can one whose is empty.
func GatewayName(displayName string) string {
	name := strings.ToLower(separators.ReplaceAllString(displayName, "-"))
	name = strings.TrimSuffix(name, "-")
	if len(name) > maxGatewayName {
		name = name[:maxGatewayName]
	}
	return strings.TrimPrefix(name, "-")
}

// ServiceName is the technical name that Kyma gives to a service: GatewayName and the start of a digest of
// the id.
func ServiceName(displayName, id string) string {
	sum := sha1.Sum([]byte(id)) //nolint:gosec // see above
	return strings.TrimPrefix(GatewayName(displayName)+"-"+hex.EncodeToString(sum[:])[:5], "-")
}
