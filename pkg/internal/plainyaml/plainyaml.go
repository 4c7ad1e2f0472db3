// Package plainyaml turns the YAML that charts render into JSON, in a tenth of the time that a reader of all of YAML
// takes: mappings and lists by indentation or in brackets on one line, texts that are plain, quoted on one line or
// literal blocks, numbers, true and false. It never guesses: what is written in any other way is left to the others.
package plainyaml

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// JSON returns a document, which is a mapping, as yaml.YAMLToJSONStrict does. ok is false where that one has to be
// asked: for what is unusual, and for what is wrong.
func JSON(document []byte) (asJSON []byte, ok bool) {
	if !printable(document) {
		return nil, false
	}
	p := &parser{rest: document, out: make([]byte, 0, len(document)+len(document)/4)}
	p.advance()
	if p.ended || p.indent != 0 || !p.mapping(0, 0) || !p.ended {
		return nil, false
	}
	return p.out, true
}

// printable says whether there are only characters that every reader takes as they are.
func printable(document []byte) bool {
	for i := 0; i < len(document); {
		c := document[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\n' || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(document[i:])
		if r < 0xa0 || r >= 0xd800 || r == '\u2028' || r == '\u2029' {
			return false // line breaks of their own, and the undecodable
		}
		i += size
	}
	return true
}

// parser stands before a line. What it reads, it writes to out as JSON.
type parser struct {
	rest []byte // what comes after the line
	out  []byte

	line   string // without indentation and blanks at its end
	indent int
	ended  bool
}

// maxDepth bounds mappings and lists in each other, maxKey a key in bytes: YAML has a limit for both.
const maxDepth, maxKey = 100, 1000

// advance goes to the next line that is neither empty nor a comment.
func (p *parser) advance() {
	for len(p.rest) > 0 {
		line, rest, _ := bytes.Cut(p.rest, []byte("\n"))
		p.rest = rest
		text := bytes.TrimLeft(line, " ")
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		p.indent = len(line) - len(text)
		p.line = string(bytes.TrimRight(text, " "))
		return
	}
	p.line, p.indent, p.ended = "", 0, true
}

// member is a key with its value, which is at a place of a text.
type member struct {
	key      string
	from, to int
}

// mapping reads the mapping whose keys have an indent.
func (p *parser) mapping(indent, depth int) bool {
	if depth > maxDepth {
		return false
	}
	begin := len(p.out)
	var members []member
	for !p.ended && p.indent == indent {
		key, rest, ok := keyOf(p.line)
		if !ok {
			return false
		}
		from := len(p.out)
		if !p.value(rest, indent, depth) {
			return false
		}
		members = append(members, member{key, from, len(p.out)})
	}
	return (p.ended || p.indent < indent) && p.collect(begin, members)
}

// collect makes an object of the values that have been written, in the order of their keys.
func (p *parser) collect(begin int, members []member) bool {
	written := slices.Clone(p.out[begin:])
	slices.SortStableFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	p.out = append(p.out[:begin], '{')
	for i, m := range members {
		if i > 0 {
			if m.key == members[i-1].key {
				return false
			}
			p.out = append(p.out, ',')
		}
		p.text(m.key)
		p.out = append(p.out, ':')
		p.out = append(p.out, written[m.from-begin:m.to-begin]...)
	}
	p.out = append(p.out, '}')
	return true
}

// value reads what follows a key of an indent, on the same line or below.
func (p *parser) value(rest string, indent, depth int) bool {
	switch rest {
	case "":
		p.advance()
		switch {
		case !p.ended && p.indent >= indent && isItem(p.line):
			return p.list(p.indent, depth+1)
		case !p.ended && p.indent > indent:
			return p.mapping(p.indent, depth+1)
		}
		p.out = append(p.out, "null"...)
		return true
	case "|", "|-":
		return p.literal(indent, rest == "|")
	}
	if !p.scalar(rest) {
		return false
	}
	p.advance()
	return p.ended || p.indent <= indent // otherwise it goes on
}

func isItem(line string) bool { return strings.HasPrefix(line, "- ") }

// list reads the list whose dashes have an indent.
func (p *parser) list(indent, depth int) bool {
	if depth > maxDepth {
		return false
	}
	p.out = append(p.out, '[')
	for first := true; !p.ended && p.indent == indent && isItem(p.line); first = false {
		if !first {
			p.out = append(p.out, ',')
		}
		item := strings.TrimLeft(p.line[2:], " ")
		within := indent + len(p.line) - len(item)
		if _, _, isKey := keyOf(item); isKey {
			p.line, p.indent = item, within
			if !p.mapping(within, depth+1) {
				return false
			}
			continue
		}
		if isItem(item) || item == "-" || item[0] == '|' || !p.scalar(item) {
			return false
		}
		if p.advance(); !p.ended && p.indent > indent {
			return false
		}
	}
	p.out = append(p.out, ']')
	return p.ended || p.indent <= indent
}

// literal reads the lines of a block that belongs to a key of an indent. clip says that it ends with a line break.
func (p *parser) literal(indent int, clip bool) bool {
	var b strings.Builder
	within, breaks := -1, 0
	for len(p.rest) > 0 {
		line, rest, broken := bytes.Cut(p.rest, []byte("\n"))
		blanks := len(line) - len(bytes.TrimLeft(line, " "))
		if blanks == len(line) && (within < 0 || blanks <= within) {
			if within < 0 {
				return false // a block that begins with an empty line
			}
			p.rest = rest
			if broken {
				breaks++
			}
			continue
		}
		if within < 0 {
			if within = blanks; within <= indent {
				return false
			}
		}
		if blanks < within {
			break
		}
		for range breaks {
			b.WriteByte('\n')
		}
		b.Write(line[within:])
		p.rest, breaks = rest, 0
		if broken {
			breaks = 1
		}
	}
	if within < 0 {
		return false
	}
	if clip && breaks > 0 {
		b.WriteByte('\n')
	}
	p.text(b.String())
	p.advance()
	return p.ended || p.indent <= indent
}

// keyOf splits a line that begins with a key.
func keyOf(line string) (key, rest string, ok bool) {
	if line[0] == '"' || line[0] == '\'' {
		key, rest, ok = quoted(line)
		if !ok || !strings.HasPrefix(rest, ":") {
			return "", "", false
		}
		rest = rest[1:]
	} else {
		end := strings.Index(line, ": ")
		if end < 0 {
			if end = len(line) - 1; line[end] != ':' {
				return "", "", false
			}
		}
		key, rest = line[:end], line[end+1:]
		if !isWord(key) {
			return "", "", false
		}
	}
	if rest != "" && rest[0] != ' ' || len(key) > maxKey {
		return "", "", false
	}
	return key, strings.TrimLeft(rest, " "), true
}

// isWord says whether a text is a text wherever it stands: letters, with digits and some signs behind the first, and none
// of the words that mean something else.
func isWord(text string) bool {
	if text == "" || !isLetter(text[0]) && text[0] != '/' && text[0] != '_' {
		return false
	}
	for i := range len(text) {
		if c := text[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte("._/-", c) < 0 {
			return false
		}
	}
	return !isMeant(text)
}

// isMeant says whether a word is a truth, or nothing.
func isMeant(text string) bool {
	if len(text) > 5 {
		return false
	}
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return true
	}
	return false
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// scalar writes what stands on one line.
func (p *parser) scalar(text string) bool {
	switch text[0] {
	case '"', '\'':
		value, rest, ok := quoted(text)
		if !ok || rest != "" {
			return false
		}
		p.text(value)
		return true
	case '{', '[':
		rest, ok := p.bracket(text, 0)
		return ok && rest == ""
	}
	if p.short(text) {
		return true
	}
	if !isLetter(text[0]) && text[0] != '/' || strings.Contains(text, ": ") || strings.HasSuffix(text, ":") || strings.Contains(text, " #") || isMeant(text) {
		return false
	}
	p.text(text)
	return true
}

// short writes a word, a truth or a number.
func (p *parser) short(text string) bool {
	switch {
	case text == "true" || text == "false":
		p.out = append(p.out, text...)
		return true
	case isWord(text):
		p.text(text)
		return true
	case !isDigit(text[0]):
		return false
	}
	digits, dots, others := 0, 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case isDigit(c):
			digits++
		case c == '.':
			dots++
		case isLetter(c):
			if !strings.ContainsRune("abcdefoxABCDEFOX", rune(c)) {
				others++ // than digits of some base, or what makes one
			}
		case c != '-':
			return false
		}
	}
	switch {
	case digits == len(text) && (digits == 1 || text[0] != '0') && digits <= 18:
		p.out = append(p.out, text...)
	case others > 0 || dots > 1 && digits+dots == len(text):
		p.text(text)
	default:
		// Alone it means what it means here.
		asJSON, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			return false
		}
		p.out = append(p.out, asJSON...)
	}
	return true
}

// bracket writes a mapping or a list in brackets, and returns what comes after it.
func (p *parser) bracket(text string, depth int) (rest string, ok bool) {
	if depth > maxDepth {
		return "", false
	}
	begin, isList := len(p.out), text[0] == '['
	end := byte('}')
	if isList {
		end = ']'
		p.out = append(p.out, '[')
	}
	var members []member
	for rest = strings.TrimLeft(text[1:], " "); ; {
		if rest == "" {
			return "", false
		}
		if rest[0] == end && len(members) == 0 {
			break
		}
		m := member{}
		if isList {
			if len(members) > 0 {
				p.out = append(p.out, ',')
			}
		} else if m.key, rest, ok = bracketKey(rest); !ok {
			return "", false
		}
		m.from = len(p.out)
		if rest, ok = p.inBracket(rest, depth); !ok {
			return "", false
		}
		m.to = len(p.out)
		members = append(members, m)
		if rest = strings.TrimLeft(rest, " "); strings.HasPrefix(rest, ", ") {
			rest = strings.TrimLeft(rest[2:], " ")
			if rest == "" || rest[0] == end {
				return "", false
			}
		} else if rest == "" || rest[0] != end {
			return "", false
		}
		if rest[0] == end {
			break
		}
	}
	if isList {
		p.out = append(p.out, ']')
		return rest[1:], true
	}
	return rest[1:], p.collect(begin, members)
}

// bracketKey splits what begins with a key in brackets.
func bracketKey(text string) (key, rest string, ok bool) {
	if text[0] == '"' || text[0] == '\'' {
		key, rest, ok = quoted(text)
	} else {
		end := strings.IndexByte(text, ':')
		if end < 0 || !isWord(text[:end]) {
			return "", "", false
		}
		key, rest, ok = text[:end], text[end:], true
	}
	if !ok || !strings.HasPrefix(rest, ": ") || len(key) > maxKey {
		return "", "", false
	}
	rest = strings.TrimLeft(rest[2:], " ")
	return key, rest, rest != ""
}

// inBracket writes a value in brackets, and returns what comes after it.
func (p *parser) inBracket(text string, depth int) (rest string, ok bool) {
	switch text[0] {
	case '{', '[':
		return p.bracket(text, depth+1)
	case '"', '\'':
		value, rest, ok := quoted(text)
		if ok {
			p.text(value)
		}
		return rest, ok
	}
	end := strings.IndexAny(text, ",]} ")
	if end <= 0 {
		return "", false
	}
	return text[end:], p.short(text[:end])
}

// quoted reads a text in quotes, and returns what comes after it.
func quoted(text string) (value, rest string, ok bool) {
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote && quote == '\'' && i+1 < len(text) && text[i+1] == '\'':
			b.WriteByte('\'')
			i++
		case c == quote:
			return b.String(), text[i+1:], true
		case c == '\\' && quote == '"':
			if i++; i >= len(text) {
				return "", "", false
			}
			plain := strings.IndexByte(`"\nrt`, text[i])
			if plain < 0 {
				return "", "", false
			}
			b.WriteByte("\"\\\n\r\t"[plain])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// text writes a text.
func (p *parser) text(text string) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			encoded, err := json.Marshal(text)
			if err == nil { // which a text always is
				p.out = append(p.out, encoded...)
			}
			return
		}
	}
	p.out = append(p.out, '"')
	p.out = append(p.out, text...)
	p.out = append(p.out, '"')
}
