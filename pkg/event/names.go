package event

import (
	"fmt"
	"strings"
)

// CheckType checks that a type's name reaches its subscribers unchanged: letters, digits and dots, with no
// empty segment. Kyma removes every other character, and two types may become one.
func CheckType(name string) error {
	if name == "" {
		return fmt.Errorf("event type is empty")
	}
	for segment := range strings.SplitSeq(name, ".") {
		if segment == "" {
			return fmt.Errorf("event type %s has an empty segment between its dots", shorten(name))
		}
		if strings.ContainsFunc(segment, unsafeInType) {
			return fmt.Errorf("event type %s has characters other than letters, digits and dots, which Kyma removes", shorten(name))
		}
	}
	return nil
}

// CheckVersion checks an event type version: letters and digits.
func CheckVersion(version string) error {
	if version == "" || strings.ContainsFunc(version, unsafeInType) {
		return fmt.Errorf("event type version %s is not made of letters and digits", shorten(version))
	}
	return nil
}

func unsafeInType(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}

func shorten(name string) string {
	if len(name) > 80 {
		name = strings.ToValidUTF8(name[:80], "") + "…"
	}
	return fmt.Sprintf("%q", name)
}

// CleanType is what Kyma makes of a type's name: every character but letters, digits and dots is removed.
func CleanType(name string) string {
	return strings.Map(func(r rune) rune {
		if r != '.' && unsafeInType(r) {
			return -1
		}
		return r
	}, name)
}

// CleanApplication is what Kyma makes of an Application's name in an event type: letters and digits only.
func CleanApplication(name string) string { return strings.ReplaceAll(CleanType(name), ".", "") }

// PrefixedType is the type under which Kyma versions before 2.12 take a CloudEvent:
// <prefix>.<clean application>.<name>.<version>. The name needs two segments.
func (e Event) PrefixedType(prefix, application string) string {
	return prefix + "." + CleanApplication(application) + "." + e.FullType()
}

// SplitType takes a full type apart: its last segment is the version if it is a v and a number.
func SplitType(full string) (name, version string) {
	i := strings.LastIndexByte(full, '.')
	if i <= 0 {
		return full, ""
	}
	last := full[i+1:]
	if len(last) < 2 || last[0] != 'v' || strings.Trim(last[1:], "0123456789") != "" {
		return full, ""
	}
	return full[:i], last
}
