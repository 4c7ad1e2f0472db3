// Package source reads repositories of add-ons from where Helm Broker reads them: the addresses that it takes, and
// what it fetches from them, within limits.
package source

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Getter is the way in which Helm Broker fetches a repository.
type Getter string

// The getters that Helm Broker allows; HTTP only in its development mode.
const (
	HTTPS Getter = "https"
	HTTP  Getter = "http"
	Git   Getter = "git"
	Hg    Getter = "hg"
	S3    Getter = "s3"
)

// Location is the address of an index, as spec.repositories[].url has it.
type Location struct {
	// Raw is the address as it was given.
	Raw    string
	Getter Getter
	// Address is that of the index (https, http), or of the repository without the path of the index.
	Address string
	// Index is the path of the index in the repository; empty with https and http.
	Index string
	// Placeholders are the keys of a Secret that the address names in braces.
	Placeholders []string
}

var (
	placeholder = regexp.MustCompile(`\{(.*?)\}`)
	forced      = regexp.MustCompile(`^([A-Za-z0-9]+)::(.+)$`)
	scpLike     = regexp.MustCompile(`^([A-Za-z0-9._-]+@)([A-Za-z0-9._-]+):([^/].*)$`)
	// stand stands for a placeholder while the address is taken apart.
	stand = regexp.MustCompile(`kc-key-([0-9]+)-`)
)

// hosts are those whose addresses Helm Broker reads as git without being told.
var hosts = []string{"github.com", "gitlab.com", "bitbucket.org"}

// Parse takes an address apart as Helm Broker does. It may name keys of a Secret in braces, such as {password}.
func Parse(raw string) (*Location, error) {
	l := &Location{Raw: raw}
	if strings.TrimSpace(raw) == "" {
		return nil, errors.New("the address is empty; name one such as https://addons.example.com/index.yaml")
	}
	if strings.ContainsAny(raw, " \t\r\n\x00") {
		return nil, errors.New("the address holds white space; remove it")
	}
	text := placeholder.ReplaceAllStringFunc(raw, func(m string) string {
		l.Placeholders = append(l.Placeholders, m[1:len(m)-1])
		return fmt.Sprintf("kc-key-%d-", len(l.Placeholders)-1)
	})
	getter, rest := "", text
	if m := forced.FindStringSubmatch(text); m != nil {
		getter, rest = m[1], m[2]
	}
	getter, rest = detect(getter, rest)
	if scp := scpLike.FindStringSubmatch(rest); scp != nil && !strings.Contains(rest, "://") {
		rest = "ssh://" + scp[1] + scp[2] + "/" + scp[3]
		if getter == "" {
			getter = "git"
		}
	}
	u, err := url.Parse(rest)
	if err != nil {
		return nil, errors.New("it is no address of the form https://…/index.yaml or git::https://…//index.yaml")
	}
	if getter == "" {
		getter = u.Scheme
	}
	if !slices.Contains([]Getter{HTTPS, HTTP, Git, Hg, S3}, Getter(getter)) {
		return nil, fmt.Errorf("no Helm Broker fetches by %q; use https://…, git::…, hg::… or s3::…", getter)
	}
	l.Getter = Getter(getter)
	if u.Host == "" && u.Scheme != "file" {
		return nil, errors.New("the address names no host; write https://HOST/… or git::https://HOST/…")
	}
	if l.Getter == HTTPS || l.Getter == HTTP {
		return l.web(u, rest)
	}
	address, index := split(u)
	if index == "" {
		return nil, fmt.Errorf("the path of the index is missing; with %s it comes after //, such as %s::%s//addons/index.yaml", getter, getter, l.fill(hint(u)))
	}
	if path.Clean("/"+index) != "/"+index {
		return nil, fmt.Errorf("the path of the index, %s, is not clean; leave out dots and double slashes", index)
	}
	l.Address, l.Index = l.fill(address), l.fill(index)
	return l, nil
}

func (l *Location) web(u *url.URL, rest string) (*Location, error) {
	switch {
	case strings.HasSuffix(u.Path, ".git"):
		return nil, fmt.Errorf("this is the address of a git repository; write git::%s//addons/index.yaml?ref=main", l.fill(rest))
	case u.Path == "" || strings.HasSuffix(u.Path, "/"):
		return nil, errors.New("the address ends without a file; write the index too: …/index.yaml")
	case u.Fragment != "":
		return nil, errors.New("the address has a fragment (#…), which is never sent; leave it out")
	}
	l.Address = l.fill(rest)
	return l, nil
}

// detect recognizes hosts of git repositories without a prefix.
func detect(getter, rest string) (string, string) {
	if getter != "" && getter != "git" || strings.Contains(rest, "://") {
		return getter, rest
	}
	for _, host := range hosts {
		after, found := strings.CutPrefix(rest, host+"/")
		if !found {
			continue
		}
		owner, name, ok := strings.Cut(after, "/")
		if !ok {
			return "git", "https://" + rest
		}
		query := ""
		if name, query, ok = strings.Cut(name, "?"); ok {
			query = "?" + query
		}
		name, index, _ := strings.Cut(name, "/")
		address := "https://" + host + "/" + owner + "/" + strings.TrimSuffix(name, ".git") + ".git"
		if index != "" {
			address += "/" + index
		}
		return "git", address + query
	}
	return getter, rest
}

// split takes the path of the index off: what follows // in the path.
func split(u *url.URL) (address, index string) {
	at := strings.Index(u.Path, "//")
	if u.Scheme == "file" && at == 0 {
		at = -1
		if next := strings.Index(u.Path[2:], "//"); next >= 0 {
			at = next + 2
		}
	}
	if at < 0 {
		return u.String(), ""
	}
	repository := *u
	repository.Path, repository.RawPath = u.Path[:at], ""
	return repository.String(), strings.TrimLeft(u.Path[at:], "/")
}

// hint is the address without its query, for a message.
func hint(u *url.URL) string {
	bare := *u
	bare.RawQuery, bare.User = "", nil
	return strings.TrimRight(bare.String(), "/")
}

// fill puts the placeholders back.
func (l *Location) fill(text string) string {
	return stand.ReplaceAllStringFunc(text, func(m string) string {
		var i int
		if _, err := fmt.Sscanf(m, "kc-key-%d-", &i); err != nil || i >= len(l.Placeholders) {
			return m
		}
		return "{" + l.Placeholders[i] + "}"
	})
}

// secretQuery are the query parameters that hold credentials.
var secretQuery = []string{"sshkey", "aws_access_key_id", "aws_access_key_secret", "aws_access_token", "token", "access_token", "private_token", "password"}

// Literal names the part of the address that holds a credential in clear text; it is empty where there is none.
func (l *Location) Literal() string {
	text := placeholder.ReplaceAllString(l.Address, "")
	if u, err := url.Parse(text); err == nil {
		if password, ok := u.User.Password(); ok && password != "" {
			return "the password before the host"
		}
		for _, name := range secretQuery {
			if u.Query().Get(name) != "" {
				return "the query parameter " + name
			}
		}
	}
	return ""
}

// Fill is the location with the values of a Secret for its placeholders, as Helm Broker fills them in.
func (l *Location) Fill(values map[string]string) (*Location, error) {
	if len(l.Placeholders) == 0 {
		return l, nil
	}
	text := l.Raw
	for _, key := range l.Placeholders {
		value, ok := values[key]
		if !ok {
			return nil, fmt.Errorf("the address names the key {%s}, which the Secret does not hold", key)
		}
		text = strings.ReplaceAll(text, "{"+key+"}", strings.ReplaceAll(value, "\n", ""))
	}
	filled, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("with the values of the Secret: %w", err)
	}
	filled.Raw = l.Raw // what may be shown
	return filled, nil
}

// Shown is the address without credentials, for reports.
func (l *Location) Shown() string {
	getter, rest := "", l.Raw
	if m := forced.FindStringSubmatch(rest); m != nil {
		getter, rest = m[1]+"::", m[2]
	}
	if strings.Contains(rest, "{") {
		return l.Raw
	}
	u, err := url.Parse(rest)
	if err != nil {
		return l.Raw
	}
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), "xxxxx")
	}
	query := u.Query()
	for _, name := range secretQuery {
		if query.Has(name) {
			query.Set(name, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return getter + u.String()
}
