// Package scaffold makes a new connector: an add-on, its chart with definition, documents and samples, and its page
// in the docs, all of which work as they are. What is to be said of the real system is then changed in them.
package scaffold

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// Suffix ends the names of add-ons and charts of connectors.
const Suffix = "-connector"

// FirstVersion is the version of a new add-on.
const FirstVersion = "0.1.0"

// Options say what to make.
type Options struct {
	// System is the system's name: up to 32 lower-case letters, digits and dashes, that begin and end with a letter
	// or digit. The connector is called <System>-connector; a name that ends so already means the same.
	System string
	// Title is what people call the system, up to 60 characters; empty means the name with capitals.
	Title string
	// URL is the example of the system's address; empty means https://<System>.example.com.
	URL string
	// Events are the names of its event types, of two or more parts; empty means order.created and order.cancelled.
	Events []string
}

// maxSystem is what a definition's name may hold. With Suffix it fits a Helm release (53), too.
const maxSystem = 32

// maxTitle leaves room for the names in the Service Catalog that it becomes a part of.
const maxTitle = 60

var validSystem = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// normalise checks the options and fills in what is empty. The error says what to write instead.
func (o Options) normalise() (Options, error) {
	o.System = strings.TrimSuffix(o.System, Suffix)
	switch {
	case o.System == "" || o.System == strings.TrimPrefix(Suffix, "-"):
		return o, errors.New("the system has no name; write it as lower-case letters, digits and dashes, such as acme")
	case len(o.System) > maxSystem:
		return o, fmt.Errorf("the name %.60q has %d characters; write at most %d", o.System, len(o.System), maxSystem)
	case !validSystem.MatchString(o.System):
		return o, fmt.Errorf("%q cannot name a chart and its objects; write lower-case letters, digits and dashes, with a letter or digit at both ends%s", o.System, instead(o.System))
	}
	if o.Title = strings.Join(strings.Fields(o.Title), " "); o.Title == "" {
		o.Title = titleOf(o.System)
	}
	if err := checkTitle(o.Title); err != nil {
		return o, err
	}
	if o.URL = strings.TrimRight(o.URL, "/"); o.URL == "" {
		o.URL = "https://" + o.System + ".example.com"
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsFunc(o.URL, unicode.IsSpace) {
		return o, fmt.Errorf("the address %q is not one that a form takes; write https://host, without user, query and fragment", o.URL)
	}
	if len(o.Events) == 0 {
		o.Events = []string{"order.created", "order.cancelled"}
	}
	return o, checkEvents(o.Events)
}

// instead is a name that would do, where there is one.
func instead(name string) string {
	better := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(name), "-"), "-")
	if better == "" {
		return ""
	}
	return fmt.Sprintf(", such as %s", better)
}

// titleOf is a name with capitals and blanks.
func titleOf(system string) string {
	words := strings.FieldsFunc(system, func(r rune) bool { return r == '-' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

func checkTitle(title string) error {
	first := []rune(title)[0]
	switch {
	case len(title) > maxTitle:
		return fmt.Errorf("the title has %d bytes; write at most %d", len(title), maxTitle)
	case !unicode.IsLetter(first) && !unicode.IsDigit(first):
		return fmt.Errorf("the title %q does not begin with a letter or digit", title)
	case !strings.ContainsFunc(title, func(r rune) bool { return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) }):
		return fmt.Errorf("the title %q has no letter or digit of ASCII, which Kyma makes the addresses of the APIs of; write it in Latin letters", title)
	case strings.ContainsFunc(title, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune("|`<>[]{}", r) }):
		return fmt.Errorf("the title %q has characters that cannot be shown in tables; leave out | ` < > [ ] { }", title)
	}
	return nil
}

// checkEvents wants types that every Kyma keeps as they are, and that make different file names.
func checkEvents(events []string) error {
	seen := map[string]string{}
	for _, name := range events {
		if err := event.CheckType(name); err != nil {
			return err
		}
		if !strings.Contains(name, ".") {
			return fmt.Errorf("event type %q has one part; older versions of Kyma want two, such as order.created", name)
		}
		if _, version := event.SplitType(name); version != "" {
			return fmt.Errorf("event type %q ends in a version; write it without, each type begins with v1", name)
		}
		slug := slugOf(name)
		if other, twice := seen[slug]; twice {
			return fmt.Errorf("event types %q and %q differ in capitals only, or not at all; leave one out", other, name)
		}
		seen[slug] = name
	}
	return nil
}

// slugOf is an event type as a file name.
func slugOf(name string) string { return strings.ToLower(strings.ReplaceAll(name, ".", "-")) }
