package connector

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxValue bounds a parameter's value in bytes: what a Secret could hold.
const maxValue = 1 << 20

var (
	hostnamePattern     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)
	resourceNamePattern = hostnamePattern // a DNS-1123 subdomain is the same set of names
)

const maxHostname = 253

// normalise checks a value that is there and returns its normal form, the items of a list, and what is
// wrong with it. What is wrong never quotes a secret or a URL, which may hold one.
func (p Parameter) normalise(raw string) (value string, items []string, wrong string) {
	switch {
	case len(raw) > maxValue:
		return "", nil, "is longer than 1 MiB"
	case !utf8.ValidString(raw):
		return "", nil, "is not valid UTF-8"
	}
	switch p.Kind {
	case KindURL:
		value, wrong = normaliseURL(raw)
	case KindHostname:
		value, wrong = normaliseHostname(raw)
	case KindResourceName:
		value = raw
		if len(raw) > maxHostname || !resourceNamePattern.MatchString(raw) {
			wrong = "want a resource name (lower-case letters, digits, - and .), not " + quote(raw)
		}
	case KindSecret:
		value = raw
		if strings.TrimSpace(raw) == "" {
			wrong = "is empty: a secret needs a value"
		}
	case KindText:
		value = raw
		if strings.ContainsFunc(raw, unicode.IsControl) {
			wrong = "want one line of text without control characters"
		}
	case KindList:
		items = splitList(raw)
		value = strings.Join(items, ",")
		if strings.ContainsFunc(value, unicode.IsControl) {
			wrong = "want items without control characters"
		}
	case KindInteger:
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil {
			wrong = "want a whole number, not " + quote(raw)
		}
		value = strconv.FormatInt(n, 10)
	case KindBoolean:
		value = strings.ToLower(raw)
		if value != "true" && value != "false" {
			wrong = "want true or false, not " + quote(raw)
		}
	default:
		wrong = "is of the unknown kind " + quote(string(p.Kind))
	}
	if wrong != "" {
		return "", nil, wrong
	}
	checked := []string{value}
	if p.Kind == KindList {
		checked = items
	}
	for _, item := range checked {
		if wrong := p.constrain(item); wrong != "" {
			return "", nil, wrong
		}
	}
	return value, items, ""
}

// constrain checks pattern and enum.
func (p Parameter) constrain(value string) (wrong string) {
	shown := quote(value)
	if p.Kind == KindSecret {
		shown = "what is given"
	}
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, value) {
		return "want one of " + strings.Join(p.Enum, ", ") + ", not " + shown
	}
	if p.Pattern == "" {
		return ""
	}
	pattern, err := wholePattern(p.Pattern)
	if err != nil {
		return "has a pattern that does not compile: " + err.Error()
	}
	if !pattern.MatchString(value) {
		return "want a value that matches " + p.Pattern + ", not " + shown
	}
	return ""
}

// wholePattern compiles an expression that the whole value must match.
func wholePattern(pattern string) (*regexp.Regexp, error) {
	// Compiled by itself first, so that an error speaks of what the definition says and an unbalanced
	// bracket cannot close the group around it.
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

func normaliseURL(raw string) (value, wrong string) {
	u, err := url.Parse(raw)
	switch {
	case strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "", "want a URL without blanks and line breaks"
	case err != nil:
		return "", "is not a URL" // err would quote it
	case u.Scheme == "" || u.Opaque != "":
		return "", "want a URL that begins with https://"
	case u.Scheme != "https":
		return "", "want https, not " + quote(u.Scheme) + ": credentials would travel in the clear"
	case u.User != nil:
		return "", "has credentials in it: they belong in parameters of their own"
	case u.Hostname() == "":
		return "", "has no host"
	case u.RawQuery != "" || u.ForceQuery:
		return "", "want a URL without a query (the part after ?)"
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return "", "want a URL without a fragment (the part after #)"
	case !validHost(u.Hostname()):
		return "", "has a host that is neither a DNS name nor an address"
	case !validPort(u):
		return "", "has a port that is not a number from 1 to 65535"
	}
	u.Host = strings.ToLower(u.Host)
	return strings.TrimRight(u.String(), "/"), ""
}

func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	host = strings.ToLower(host)
	return len(host) <= maxHostname && hostnamePattern.MatchString(host)
}

func validPort(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	if u.Port() == "" {
		return true
	}
	n, err := strconv.Atoi(u.Port())
	return err == nil && n >= 1 && n <= 65535
}

func normaliseHostname(raw string) (value, wrong string) {
	value = strings.ToLower(raw)
	if strings.Contains(value, "://") {
		return "", "want a host name only, without https:// and path"
	}
	if len(value) > maxHostname || !hostnamePattern.MatchString(value) {
		return "", "want a host name such as kyma.example.com, not " + quote(raw)
	}
	return value, ""
}

// splitList takes commas and line breaks for separators and drops empty items.
func splitList(raw string) []string {
	var items []string
	for item := range strings.FieldsFuncSeq(raw, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// quote shows a value in a message, shortened.
func quote(value string) string {
	const most = 60
	if len(value) > most {
		cut := most
		for !utf8.RuneStart(value[cut]) {
			cut--
		}
		return strconv.Quote(value[:cut]) + "…"
	}
	return strconv.Quote(value)
}
