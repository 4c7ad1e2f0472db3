// Package expression compiles and runs the expressions of connector definitions: expr-lang expressions
// over a delivery, its parts and the parameters. Expressions are compiled and type-checked when a
// definition is loaded; they terminate, see no clock, no network and no environment.
package expression

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
	"github.com/tidwall/gjson"
)

// Kind is the type that an expression must have.
type Kind int

// The kinds of results.
const (
	String Kind = iota // a string; absent inputs are empty strings
	Bool
	List // a list of strings
	Any  // any JSON value
)

// Scope is the place an expression stands in; it decides which names it may use.
type Scope int

// The scopes. Parameters and pure functions are visible in each of them.
const (
	// Parameters: param(name), params(name), secretParam is the same as param.
	Parameters Scope = iota
	// Delivery adds body, json, header, form, query, path, rawBody, content, contentType, type, topic.
	Delivery
	// Item is Delivery inside a split: it adds item, itemJSON and index.
	Item
	// Discovery: item, itemJSON and index over one entry of a listing of the system.
	Discovery
	// Webhook: a request to the system about one webhook: id, topic, callback, item.
	Webhook
	// Response: the system's answer: status, response(path).
	Response
	// Relay: an event from Kyma on its way out: id, type, source, subject, time, data, json.
	Relay
)

// Input is what an expression sees. The zero value has nothing: every string is empty.
type Input struct {
	// Params are the resolved parameters, lists joined by commas.
	Params map[string]string
	// Lists are the parameters of kind list.
	Lists map[string][]string
	// Header, Form, Query and Path (segments after the delivery's path) belong to the request.
	Header http.Header
	Form   url.Values
	Query  url.Values
	Path   []string
	// RawBody is the body as received; Content what the definition selects from it (or the body itself).
	RawBody []byte
	Content []byte
	// Item is one element of a split or a listing; Index its position from 0.
	Item  []byte
	Index int
	// Vars are the scope's named strings: id, topic, type, callback, source, subject, time.
	Vars map[string]string
	// Status and Answer belong to a response of the system.
	Status int
	Answer []byte
}

// Program is a compiled expression. It is immutable and safe for concurrent use.
type Program struct {
	source string
	kind   Kind
	params []string
	code   *vm.Program
}

// Source is the text of the expression, without the leading "=".
func (p *Program) Source() string { return p.source }

// Parameters are the names of the parameters that the expression reads, sorted.
func (p *Program) Parameters() []string { return p.params }

// environment is what expr sees. Names are the tags.
type environment struct {
	Param       func(string) string   `expr:"param"`
	Params      func(string) []string `expr:"params"`
	Body        func(string) string   `expr:"body"`
	JSON        func(string) any      `expr:"json"`
	Header      func(string) string   `expr:"header"`
	Form        func(string) string   `expr:"form"`
	Query       func(string) string   `expr:"query"`
	Path        func(int) string      `expr:"path"`
	Item        func(string) string   `expr:"item"`
	ItemJSON    func(string) any      `expr:"itemJSON"`
	Response    func(string) string   `expr:"response"`
	RawBody     string                `expr:"rawBody"`
	Content     string                `expr:"content"`
	ContentType string                `expr:"contentType"`
	Index       int                   `expr:"index"`
	Status      int                   `expr:"status"`
	ID          string                `expr:"id"`
	Type        string                `expr:"type"`
	Topic       string                `expr:"topic"`
	Callback    string                `expr:"callback"`
	Source      string                `expr:"source"`
	Subject     string                `expr:"subject"`
	Time        string                `expr:"time"`
	Nonce       string                `expr:"nonce"`
}

func (in *Input) environment() environment {
	text := func(data []byte) func(string) string {
		return func(path string) string {
			r := gjson.GetBytes(data, path)
			if r.Type == gjson.Null {
				return ""
			}
			return r.String()
		}
	}
	value := func(data []byte) func(string) any {
		return func(path string) any { return gjson.GetBytes(data, path).Value() }
	}
	return environment{
		Param:  func(n string) string { return in.Params[n] },
		Params: func(n string) []string { return in.Lists[n] },
		Body:   text(in.Content),
		JSON:   value(in.Content),
		Header: func(n string) string { return in.Header.Get(n) },
		Form:   func(n string) string { return in.Form.Get(n) },
		Query:  func(n string) string { return in.Query.Get(n) },
		Path: func(i int) string {
			if i < 1 || i > len(in.Path) {
				return ""
			}
			return in.Path[i-1]
		},
		Item:        text(in.Item),
		ItemJSON:    value(in.Item),
		Response:    text(in.Answer),
		RawBody:     string(in.RawBody),
		Content:     string(in.Content),
		ContentType: in.Header.Get("Content-Type"),
		Index:       in.Index,
		Status:      in.Status,
		ID:          in.Vars["id"],
		Type:        in.Vars["type"],
		Topic:       in.Vars["topic"],
		Callback:    in.Vars["callback"],
		Source:      in.Vars["source"],
		Subject:     in.Vars["subject"],
		Time:        in.Vars["time"],
		Nonce:       in.Vars["nonce"],
	}
}

// Compile checks an expression for its place and the kind of its result.
func Compile(source string, scope Scope, kind Kind) (*Program, error) {
	params := &paramCollector{}
	options := []expr.Option{
		expr.Env(environment{}),
		expr.WarnOnAny(),
		expr.Function("first", first, new(func(...string) string)),
		expr.Function("hash", hash, new(func(...string) string)),
		expr.Function("strip", strip, new(func(string, []any, []any) string)),
	}
	switch kind {
	case String:
		options = append(options, expr.AsKind(reflect.String))
	case Bool:
		options = append(options, expr.AsBool())
	}
	code, err := expr.Compile(source, options...)
	if err != nil {
		return nil, err
	}
	node := code.Node()
	ast.Walk(&node, params)
	if params.err != nil {
		return nil, params.err
	}
	return &Program{source: source, kind: kind, params: params.names, code: code}, nil
}

// Eval runs the program. A String program returns a string, Bool a bool, List a []string.
func (p *Program) Eval(in Input) (any, error) {
	return expr.Run(p.code, in.environment())
}

type paramCollector struct {
	names []string
	err   error
}

func (c *paramCollector) Visit(node *ast.Node) {
	call, ok := (*node).(*ast.CallNode)
	if !ok {
		return
	}
	name, ok := call.Callee.(*ast.IdentifierNode)
	if !ok || (name.Value != "param" && name.Value != "params") || len(call.Arguments) != 1 {
		return
	}
	arg, ok := call.Arguments[0].(*ast.StringNode)
	if !ok {
		c.err = errors.New(`param() takes the parameter's name as a plain string, as in param("system_url")`)
		return
	}
	c.names = append(c.names, arg.Value)
}

func first(args ...any) (any, error) {
	for _, a := range args {
		if s, ok := a.(string); ok && s != "" {
			return s, nil
		}
	}
	return "", nil
}

func hash(args ...any) (any, error) {
	h := sha256.New()
	for _, a := range args {
		s, ok := a.(string)
		if !ok {
			return nil, fmt.Errorf("hash() takes strings, not %T", a)
		}
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

func strip(args ...any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("strip() takes a string, not %T", args[0])
	}
	list := func(v any) []string {
		var out []string
		if items, ok := v.([]any); ok {
			for _, i := range items {
				if s, ok := i.(string); ok {
					out = append(out, s)
				}
			}
		}
		return out
	}
	for _, prefix := range list(args[1]) {
		if rest, found := strings.CutPrefix(text, prefix); found {
			text = rest
			break
		}
	}
	for _, suffix := range list(args[2]) {
		if rest, found := strings.CutSuffix(text, suffix); found {
			text = rest
			break
		}
	}
	return text, nil
}
