package expression

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// EmptyError says that need() found nothing.
type EmptyError struct {
	// What is the expression that is empty, as written.
	What string
}

// Error implements error.
func (e *EmptyError) Error() string { return e.What + " is empty" }

type function struct {
	call func(args ...any) (any, error)
	// signature is a pointer to a function type, against which the expression is checked.
	signature any
	// text, where it is set, does the same as call, for an input and at most one name.
	text func(in *Input, name string) string
}

// maxReplaced bounds what replace() may make, in bytes.
const maxReplaced = 4 << 20

// functions are all functions of the language, besides those of expr that are listed in options. Those
// with an *Input as first argument are written without it in a definition; the variables are functions
// of the input alone.
var functions = map[string]function{
	"param":     accessor(func(in *Input, name string) string { return in.Params[name] }),
	"params":    of(listOf(func(in *Input, name string) []string { return in.Lists[name] }), new(func(any, string) []string)),
	"secretRef": of(secretRef, new(func(any, string) string)),
	"body":      accessor(func(in *Input, path string) string { return text(in.Content, path) }),
	"json":      valueAccessor(func(in *Input, path string) (any, error) { return value(in.Content, path) }),
	"header":    accessor(func(in *Input, name string) string { return in.Header.Get(name) }),
	"form":      accessor(func(in *Input, name string) string { return in.Form.Get(name) }),
	"query":     accessor(func(in *Input, name string) string { return in.Query.Get(name) }),
	"path":      of(pathSegment, new(func(any, int) string)),
	"item":      accessor(func(in *Input, path string) string { return text(in.Item, path) }),
	"itemJSON":  valueAccessor(func(in *Input, path string) (any, error) { return value(in.Item, path) }),
	"response":  accessor(func(in *Input, path string) string { return text(in.Answer, path) }),

	"rawJSON":     valueAccessor(func(in *Input, path string) (any, error) { return raw(in.Content, path), nil }),
	"rawItemJSON": valueAccessor(func(in *Input, path string) (any, error) { return raw(in.Item, path), nil }),

	"rawBody":     variable(func(in *Input) string { return stringOf(in.RawBody) }),
	"content":     variable(func(in *Input) string { return stringOf(in.Content) }),
	"data":        variable(func(in *Input) string { return stringOf(in.Content) }),
	"contentType": variable(func(in *Input) string { return in.Header.Get("Content-Type") }),
	"index":       number(func(in *Input) int { return in.Index }),
	"status":      number(func(in *Input) int { return in.Status }),
	"id":          variable(func(in *Input) string { return in.Vars["id"] }),
	"type":        variable(func(in *Input) string { return in.Vars["type"] }),
	"version":     variable(func(in *Input) string { return in.Vars["version"] }),
	"topic":       variable(func(in *Input) string { return in.Vars["topic"] }),
	"callback":    variable(func(in *Input) string { return in.Vars["callback"] }),
	"label":       variable(func(in *Input) string { return in.Vars["label"] }),
	"source":      variable(func(in *Input) string { return in.Vars["source"] }),
	"subject":     variable(func(in *Input) string { return in.Vars["subject"] }),
	"time":        variable(func(in *Input) string { return in.Vars["time"] }),
	"eventTypes":  variable(func(in *Input) string { return in.Vars["eventTypes"] }),
	"nonce":       variable(func(in *Input) string { return in.Vars["nonce"] }),

	"first":   of(first, new(func(...string) string)),
	"hash":    of(hash, new(func(...string) string)),
	"strip":   of(strip, new(func(string, []any, []any) string)),
	"need":    of(need, new(func(string, string) string)),
	"capture": of(capture, new(func(string, *regexp.Regexp) string)),
	"string":  of(toString, new(func(any) string)),
	"int":     of(toInt, new(func(any) int)),
	"replace": of(replace, new(func(string, string, string) string)),
}

// rawVariants give the bytes of the document instead of a value.
var rawVariants = map[string]string{"json": "rawJSON", "itemJSON": "rawItemJSON"}

func of(call func(args ...any) (any, error), signature any) function {
	return function{call: call, signature: signature}
}

func accessor(get func(*Input, string) string) function {
	f := of(func(args ...any) (any, error) { return get(args[0].(*Input), args[1].(string)), nil }, new(func(any, string) string))
	f.text = get
	return f
}

func valueAccessor(get func(*Input, string) (any, error)) function {
	return of(func(args ...any) (any, error) { return get(args[0].(*Input), args[1].(string)) }, new(func(any, string) any))
}

func variable(get func(*Input) string) function {
	f := of(func(args ...any) (any, error) { return get(args[0].(*Input)), nil }, new(func(any) string))
	f.text = func(in *Input, _ string) string { return get(in) }
	return f
}

func number(get func(*Input) int) function {
	return of(func(args ...any) (any, error) { return get(args[0].(*Input)), nil }, new(func(any) int))
}

func listOf(get func(*Input, string) []string) func(...any) (any, error) {
	return func(args ...any) (any, error) { return get(args[0].(*Input), args[1].(string)), nil }
}

func pathSegment(args ...any) (any, error) {
	in, i := args[0].(*Input), args[1].(int)
	if i > len(in.Path) {
		return "", nil
	}
	return in.Path[i-1], nil
}

func secretRef(args ...any) (any, error) {
	name := args[1].(string)
	if where := args[0].(*Input).SecretRef; where != nil {
		if ref := where(name); ref != "" {
			return ref, nil
		}
	}
	return nil, fmt.Errorf("nobody said where to read the parameter %q", name)
}

// texts checks the arguments of a function that takes texts only. A nil comes from json() of something
// that is absent.
func texts(name string, args []any) ([]string, error) {
	out := make([]string, len(args))
	for i, a := range args {
		s, ok := a.(string)
		if !ok {
			return nil, fmt.Errorf("%s() takes texts, not %s", name, typeName(a))
		}
		out[i] = s
	}
	return out, nil
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "nothing (null)"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case int, float64:
		return "a number"
	case []any, []string:
		return "a list"
	default:
		return "an object"
	}
}

// first is the first text that is not empty.
func first(args ...any) (any, error) {
	for _, a := range args {
		s, ok := a.(string)
		if !ok {
			return nil, fmt.Errorf("first() takes texts, not %s", typeName(a))
		}
		if s != "" {
			return s, nil
		}
	}
	return "", nil
}

// hash is a stable id of its arguments: 128 bits of SHA-256, in which ("ab", "c") differs from ("a", "bc").
func hash(args ...any) (any, error) {
	parts, err := texts("hash", args)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	var length [20]byte
	for _, part := range parts {
		h.Write(append(strconv.AppendInt(length[:0], int64(len(part)), 10), ':'))
		h.Write(bytesOf(part))
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// strip takes off the first prefix and the first suffix that fit.
func strip(args ...any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("strip() takes a text, not %s", typeName(args[0]))
	}
	prefixes, ok1 := args[1].([]any)
	suffixes, ok2 := args[2].([]any)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("strip() takes a text and two lists")
	}
	for _, p := range prefixes {
		prefix, ok := p.(string)
		if !ok {
			return nil, fmt.Errorf("strip() takes prefixes that are texts, not %s", typeName(p))
		}
		if rest, found := strings.CutPrefix(text, prefix); found {
			text = rest
			break
		}
	}
	for _, s := range suffixes {
		suffix, ok := s.(string)
		if !ok {
			return nil, fmt.Errorf("strip() takes suffixes that are texts, not %s", typeName(s))
		}
		if rest, found := strings.CutSuffix(text, suffix); found {
			text = rest
			break
		}
	}
	return text, nil
}

// need is its argument, or an error where that is empty.
func need(args ...any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("need() takes a text, not %s", typeName(args[0]))
	}
	if text == "" {
		return nil, &EmptyError{What: args[1].(string)}
	}
	return text, nil
}

// capture is the first group of the pattern in the text, empty where it does not match.
func capture(args ...any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("capture() takes a text, not %s", typeName(args[0]))
	}
	if groups := args[1].(*regexp.Regexp).FindStringSubmatch(text); groups != nil {
		return groups[1], nil
	}
	return "", nil
}

// toString is the text of a scalar. It does not print lists, objects and what is absent.
func toString(args ...any) (any, error) {
	switch v := args[0].(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		return v.String(), nil
	default:
		return nil, fmt.Errorf("string() takes a scalar, not %s", typeName(v))
	}
}

// toInt reads a whole number. The error does not quote what it is given.
func toInt(args ...any) (any, error) {
	switch v := args[0].(type) {
	case int:
		return v, nil
	case float64:
		if v == float64(int(v)) {
			return int(v), nil
		}
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			return n, nil
		}
	}
	return nil, fmt.Errorf("int() takes a whole number")
}

func replace(args ...any) (any, error) {
	parts, err := texts("replace", args)
	if err != nil {
		return nil, err
	}
	text, old, with := parts[0], parts[1], parts[2]
	if n := strings.Count(text, old); len(text)+n*len(with) > maxReplaced {
		return nil, fmt.Errorf("replace() makes more than %d bytes", maxReplaced)
	}
	return strings.ReplaceAll(text, old, with), nil
}
