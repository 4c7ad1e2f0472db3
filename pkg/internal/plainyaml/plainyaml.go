// Package plainyaml reads the YAML that charts render, in a tenth of the time that a reader of all of YAML takes: mappings
// and lists by indentation or in brackets on one line, texts that are plain, quoted on one line or literal blocks,
// numbers, true and false. It never guesses: what is written in any other way is left to the others.
package plainyaml

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// Parse returns what a document, which is a mapping, says: what json.Unmarshal makes of yaml.YAMLToJSONStrict. ok is
// false where that one has to be asked: for what is unusual, and for what is wrong. Texts keep the document in memory.
func Parse(document string) (object map[string]any, ok bool) {
	if !printable(document) {
		return nil, false
	}
	p := &parser{rest: document}
	p.advance()
	if p.ended || p.indent != 0 {
		return nil, false
	}
	object, ok = p.mapping(0, 0)
	return object, ok && p.ended
}

// printable says whether there are only characters that every reader takes as they are.
func printable(document string) bool {
	for i := 0; i < len(document); {
		if c := document[i]; ' ' <= c && c < 0x7f || c == '\n' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(document[i:])
		if r < 0xa0 || r >= 0xd800 || r == '\u2028' || r == '\u2029' {
			return false // line breaks of their own, and the undecodable
		}
		i += size
	}
	return true
}

// parser stands before a line.
type parser struct {
	rest string // what comes after the line

	line   string // without indentation and blanks at its end
	indent int
	ended  bool
}

// maxDepth bounds mappings and lists in each other, maxKey a key in bytes: YAML has a limit for both.
const maxDepth, maxKey = 100, 1000

// advance goes to the next line that is neither empty nor a comment.
func (p *parser) advance() {
	for p.rest != "" {
		line, rest, _ := strings.Cut(p.rest, "\n")
		p.rest = rest
		text := strings.TrimLeft(line, " ")
		if text == "" || text[0] == '#' {
			continue
		}
		p.indent = len(line) - len(text)
		p.line = strings.TrimRight(text, " ")
		return
	}
	p.line, p.indent, p.ended = "", 0, true
}

// mapping reads the mapping whose keys have an indent.
func (p *parser) mapping(indent, depth int) (out map[string]any, ok bool) {
	if depth > maxDepth {
		return nil, false
	}
	out = map[string]any{}
	for !p.ended && p.indent == indent {
		key, rest, ok := keyOf(p.line)
		if !ok {
			return nil, false
		}
		if _, twice := out[key]; twice {
			return nil, false
		}
		if out[key], ok = p.value(rest, indent, depth); !ok {
			return nil, false
		}
	}
	return out, p.ended || p.indent < indent
}

// value reads what follows a key of an indent, on the same line or below.
func (p *parser) value(rest string, indent, depth int) (value any, ok bool) {
	switch rest {
	case "":
		p.advance()
		switch {
		case !p.ended && p.indent >= indent && isItem(p.line):
			return p.list(p.indent, depth+1)
		case !p.ended && p.indent > indent:
			return p.mapping(p.indent, depth+1)
		}
		return nil, true
	case "|", "|-":
		return p.literal(indent, rest == "|")
	case ">", ">-":
		text, ok := p.literal(indent, rest == ">")
		return fold(text), ok && isParagraph(text)
	}
	if value, ok = scalar(rest); !ok {
		return nil, false
	}
	p.advance()
	return value, p.ended || p.indent <= indent // otherwise it goes on
}

func isItem(line string) bool { return strings.HasPrefix(line, "- ") }

// list reads the list whose dashes have an indent.
func (p *parser) list(indent, depth int) (out []any, ok bool) {
	if depth > maxDepth {
		return nil, false
	}
	for !p.ended && p.indent == indent && isItem(p.line) {
		text := strings.TrimLeft(p.line[2:], " ")
		within := indent + len(p.line) - len(text)
		if _, _, isKey := keyOf(text); isKey {
			p.line, p.indent = text, within
			item, ok := p.mapping(within, depth+1)
			if !ok {
				return nil, false
			}
			out = append(out, item)
			continue
		}
		if isItem(text) || text == "-" || text[0] == '|' {
			return nil, false
		}
		item, ok := scalar(text)
		if !ok {
			return nil, false
		}
		out = append(out, item)
		if p.advance(); !p.ended && p.indent > indent {
			return nil, false
		}
	}
	return out, p.ended || p.indent <= indent
}

// literal reads the lines of a block that belongs to a key of an indent. clip says that it ends with a line break.
func (p *parser) literal(indent int, clip bool) (text string, ok bool) {
	var b strings.Builder
	within, breaks := -1, 0
	for p.rest != "" {
		line, rest, broken := strings.Cut(p.rest, "\n")
		blanks := len(line) - len(strings.TrimLeft(line, " "))
		if blanks == len(line) && (within < 0 || blanks <= within) {
			if within < 0 {
				return "", false // a block that begins with an empty line
			}
			p.rest = rest
			if broken {
				breaks++
			}
			continue
		}
		if within < 0 {
			if within = blanks; within <= indent {
				return "", false
			}
		}
		if blanks < within {
			break
		}
		for range breaks {
			b.WriteByte('\n')
		}
		b.WriteString(line[within:])
		p.rest, breaks = rest, 0
		if broken {
			breaks = 1
		}
	}
	if within < 0 {
		return "", false
	}
	if clip && breaks > 0 {
		b.WriteByte('\n')
	}
	p.advance()
	return b.String(), p.ended || p.indent <= indent
}

// isParagraph says whether a text is lines without empty ones and without blanks at their ends, which are what makes folding
// hard.
func isParagraph(text string) bool {
	text = strings.TrimSuffix(text, "\n")
	return !strings.Contains(text, "\n\n") && !strings.Contains(text, "\n ") && !strings.Contains(text, " \n") && !strings.HasSuffix(text, " ")
}

// fold makes one line of a paragraph.
func fold(text string) string {
	lines, end := strings.CutSuffix(text, "\n")
	lines = strings.ReplaceAll(lines, "\n", " ")
	if end {
		lines += "\n"
	}
	return lines
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

// scalar reads what stands on one line.
func scalar(text string) (value any, ok bool) {
	switch text[0] {
	case '"', '\'':
		value, rest, ok := quoted(text)
		return value, ok && rest == ""
	case '{', '[':
		value, rest, ok := bracket(text, 0)
		return value, ok && rest == ""
	}
	if value, ok = short(text); ok {
		return value, true
	}
	if !isLetter(text[0]) && text[0] != '/' || strings.Contains(text, ": ") || strings.HasSuffix(text, ":") || strings.Contains(text, " #") || isMeant(text) {
		return nil, false
	}
	return text, true
}

// short reads a word, a truth or a number.
func short(text string) (value any, ok bool) {
	switch {
	case text == "true":
		return true, true
	case text == "false":
		return false, true
	case isWord(text):
		return text, true
	case !isDigit(text[0]):
		return nil, false
	}
	inNumbers := "beoBEO" // as in 0b1, 1e3 and 0o7
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		inNumbers = "abcdefxABCDEFX"
	}
	digits, dots, others := 0, 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case isDigit(c):
			digits++
		case c == '.':
			dots++
		case isLetter(c):
			if strings.IndexByte(inNumbers, c) < 0 {
				others++
			}
		case c != '-':
			return nil, false
		}
	}
	switch {
	case digits == len(text) && digits <= exactDigits && (digits == 1 || text[0] != '0'):
		n, err := strconv.Atoi(text)
		return float64(n), err == nil
	case others > 0 || dots > 1 && digits+dots == len(text):
		return text, true
	}
	// Alone it means what it means here.
	if yaml.Unmarshal([]byte(text), &value) != nil {
		return nil, false
	}
	n, isNumber := value.(float64)
	return value, !isNumber || n < 1e15
}

// exactDigits are as many as a float64 has whatever they are.
const exactDigits = 15

// bracket reads a mapping or a list in brackets, and returns what comes after it.
func bracket(text string, depth int) (value any, rest string, ok bool) {
	if depth > maxDepth {
		return nil, "", false
	}
	if text[0] == '[' {
		list := []any{}
		rest, more := opened(text, ']')
		for more {
			var item any
			if item, rest, ok = inBracket(rest, depth); !ok {
				return nil, "", false
			}
			list = append(list, item)
			if rest, more, ok = next(rest, ']'); !ok {
				return nil, "", false
			}
		}
		return list, rest, true
	}
	object := map[string]any{}
	rest, more := opened(text, '}')
	for more {
		var key string
		if key, rest, ok = bracketKey(rest); !ok {
			return nil, "", false
		}
		if _, twice := object[key]; twice {
			return nil, "", false
		}
		if object[key], rest, ok = inBracket(rest, depth); !ok {
			return nil, "", false
		}
		if rest, more, ok = next(rest, '}'); !ok {
			return nil, "", false
		}
	}
	return object, rest, true
}

// opened goes behind an opening bracket, or behind the end where there is nothing in between.
func opened(text string, end byte) (rest string, more bool) {
	rest = strings.TrimLeft(text[1:], " ")
	if rest != "" && rest[0] == end {
		return rest[1:], false
	}
	return rest, true
}

// next goes behind a comma, or behind the end.
func next(text string, end byte) (rest string, more, ok bool) {
	text = strings.TrimLeft(text, " ")
	switch {
	case text == "":
		return "", false, false
	case text[0] == end:
		return text[1:], false, true
	}
	rest = strings.TrimLeft(text[1:], " ")
	return rest, true, text[0] == ',' && rest != "" && rest[0] != end
}

// bracketKey splits what begins with a key in brackets.
func bracketKey(text string) (key, rest string, ok bool) {
	if text == "" {
		return "", "", false
	}
	if text[0] == '"' || text[0] == '\'' {
		key, rest, ok = quoted(text)
	} else {
		end := strings.IndexByte(text, ':')
		if end < 0 || !isWord(text[:end]) || !strings.HasPrefix(text[end:], ": ") {
			return "", "", false
		}
		key, rest, ok = text[:end], text[end:], true
	}
	if !ok || !strings.HasPrefix(rest, ":") || len(key) > maxKey {
		return "", "", false
	}
	return key, strings.TrimLeft(rest[1:], " "), true
}

// inBracket reads a value in brackets, and returns what comes after it.
func inBracket(text string, depth int) (value any, rest string, ok bool) {
	if text == "" {
		return nil, "", false
	}
	switch text[0] {
	case '{', '[':
		return bracket(text, depth+1)
	case '"', '\'':
		return quoted(text)
	}
	end := strings.IndexAny(text, ",]} ")
	if end <= 0 {
		return nil, "", false
	}
	word, rest := text[:end], text[end:]
	if isAddress(word) {
		return word, rest, true
	}
	value, ok = short(word)
	return value, rest, ok
}

// isAddress says whether a text without blanks is an address on the web, which no reader takes for anything else.
func isAddress(text string) bool {
	way, found := strings.CutPrefix(text, "https://")
	return found && isWord(way)
}

// quoted reads a text in quotes, and returns what comes after it.
func quoted(text string) (value, rest string, ok bool) {
	quote := text[0]
	if end := strings.IndexByte(text[1:], quote) + 1; end > 0 && strings.IndexByte(text[:end], '\\') < 0 && !strings.HasPrefix(text[end+1:], string(quote)) {
		return text[1:end], text[end+1:], true
	}
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
