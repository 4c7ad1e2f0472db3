package simulator

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"strings"
)

// typePrefix is the default prefix of event types of the older style.
const typePrefix = "sap.kyma.custom"

// isUUID says whether an event id is one that the legacy route takes.
func isUUID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i := range len(id) {
		c, dash := id[i], i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

// normalizedName is the segment of a gateway URL that stands for a display name.
func normalizedName(displayName string) string {
	var b strings.Builder
	gap := false
	for i := range len(displayName) {
		c := displayName[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		default:
			gap = true
			continue
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteByte(c)
	}
	if gap {
		b.WriteByte('-')
	}
	name := strings.TrimSuffix(b.String(), "-")
	if len(name) > 57 {
		name = name[:57]
	}
	return strings.TrimPrefix(name, "-")
}

// serviceName is the name that the Application Registry gives a service: the normalised display name and
// five characters that depend on its id.
func serviceName(displayName, id string) string {
	sum := sha1.Sum([]byte(id))
	return strings.TrimPrefix(normalizedName(displayName)+"-"+hex.EncodeToString(sum[:])[:5], "-")
}

// resourceName is the name of the objects that the Application Registry makes for a service.
func resourceName(application, id string) string {
	if len(application) > 26 {
		application = application[:26]
	}
	return application + "-" + id
}

// keepRunes keeps the bytes of s that keep wants.
func keepRunes(s string, keep func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if keep(r) {
			return r
		}
		return -1
	}, s)
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// cleanApplication is an Application's name inside a prefixed event type.
func cleanApplication(name string) string { return keepRunes(name, isAlphanumeric) }

// standardSubject is the subject of an event whose type has no prefix: kyma.<source>.<type> without the
// characters that NATS gives a meaning to.
func standardSubject(source, eventType string) (string, error) {
	clean := func(s, without string) string {
		return keepRunes(s, func(r rune) bool { return !strings.ContainsRune(without+" \t\n\v\f\r", r) })
	}
	subject := "kyma." + clean(source, `.>*/\`) + "." + clean(eventType, `>*/\`)
	if strings.Contains("."+subject+".", "..") {
		return "", errors.New("event type cannot have empty segments after cleaning: " + subject)
	}
	return subject, nil
}

// cleanPrefixedType turns <prefix>.<application>.<object...>.<operation>.<version> into the four segments
// that are published. appName gives the clean name of an application.
func cleanPrefixedType(eventType string, appName func(string) string) (string, error) {
	if !strings.HasPrefix(eventType, typePrefix) {
		return "", errors.New("failed to parse event-type=" + eventType + " with prefix=" + typePrefix + ": prefix not found")
	}
	segments := strings.Split(strings.TrimPrefix(strings.ReplaceAll(eventType, typePrefix, ""), "."), ".")
	if len(segments) < 4 || contains(segments, "") {
		return "", errors.New("failed to parse event-type=" + eventType + " with prefix=" + typePrefix + ": invalid format")
	}
	last := len(segments) - 1
	clean := strings.Join([]string{typePrefix, appName(segments[0]), strings.Join(segments[1:last-1], ""), segments[last-1], segments[last]}, ".")
	return keepRunes(clean, func(r rune) bool { return isAlphanumeric(r) || r == '.' }), nil
}

// legacyType is the prefixed type that the legacy route makes: at most two segments for the name.
func legacyType(application, name, version string) string {
	name = keepRunes(name, func(r rune) bool { return isAlphanumeric(r) || r == '.' })
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = strings.ReplaceAll(name[:i], ".", "") + name[i:]
	}
	return strings.Join([]string{typePrefix, application, name, version}, ".")
}

func contains(list []string, wanted string) bool {
	for _, s := range list {
		if s == wanted {
			return true
		}
	}
	return false
}
