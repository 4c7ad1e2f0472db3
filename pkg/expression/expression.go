// Package expression compiles and runs the expressions of connector definitions: expr-lang expressions
// over a delivery, its parts and the parameters. An expression is checked for its place and its type when
// the definition is loaded. It terminates, is bounded in length and memory, and sees no clock, no network
// and no environment.
package expression

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// MaxLength is the number of bytes that an expression may have.
const MaxLength = 4096

// maxNodes bounds the size of the syntax tree.
const maxNodes = 1000

// Kind is the type that an expression must have.
type Kind int

// The kinds of results.
const (
	String Kind = iota // a string; absent inputs are empty strings
	Bool
	List // a list of strings; a single string stands for a list of one
	Any  // any JSON value
)

// String names the kind as error messages do.
func (k Kind) String() string {
	switch k {
	case String:
		return "a text"
	case Bool:
		return "true or false"
	case List:
		return "a text or a list of texts"
	default:
		return "a JSON value"
	}
}

// Program is a compiled expression. It does not change and is safe for concurrent use.
type Program struct {
	source     string
	kind       Kind
	params     []string
	secretRefs []string
	names      []string
	lists      []string
	headers    []string
	queries    []string
	rawText    bool
	code       *vm.Program
	// direct, where it is set, does the same as code: see directCall.
	direct func(*Input) (any, error)
	// read, where it is set, does the same as direct, for a text.
	read func(*Input) string
	// inputs are for the time of an evaluation, of which an input on the heap would be a good part of the cost.
	inputs sync.Pool
}

// Source is the text of the expression, without the leading "=".
func (p *Program) Source() string { return p.source }

// Parameters are the names of the parameters whose values the expression reads, sorted.
func (p *Program) Parameters() []string { return p.params }

// Lists are those of Parameters that the expression reads as lists, by params.
func (p *Program) Lists() []string { return p.lists }

// SecretRefs are the names of the parameters that the expression only points to, by secretRef, sorted.
func (p *Program) SecretRefs() []string { return p.secretRefs }

// Headers and Queries are the names of the request's headers and query parameters that the expression
// reads, sorted.
func (p *Program) Headers() []string { return p.headers }

// Queries are described with Headers.
func (p *Program) Queries() []string { return p.queries }

// Uses says whether the expression uses one of the names, such as "item".
func (p *Program) Uses(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(p.names, n) })
}

// Compile checks an expression for its place and the kind of its result. The error says what is wrong and,
// for a name that exists elsewhere, where it may be used.
func Compile(source string, scope Scope, kind Kind) (*Program, error) {
	if len(source) > MaxLength {
		return nil, fmt.Errorf("the expression is longer than %d bytes", MaxLength)
	}
	config := conf.CreateNew()
	for _, option := range options {
		option(config)
	}
	for name := range config.Disabled {
		delete(config.Builtins, name)
	}
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		return nil, plain(err)
	}
	b := &binder{scope: scope}
	if b.bind(&tree.Node); b.err != nil {
		return nil, b.err
	}
	p := &Program{source: source, kind: kind, params: b.params, secretRefs: b.secretRefs, names: b.names, lists: b.lists, headers: b.headers, queries: b.queries}
	if kind == Any {
		p.rawText = isRawText(tree.Node)
		keepRaw(&tree.Node)
	}
	resultType, err := checker.Check(tree, config)
	if err != nil {
		return nil, plain(err)
	}
	if err := checkKind(resultType, kind); err != nil {
		return nil, err
	}
	if err := optimizer.Optimize(&tree.Node, config); err != nil {
		return nil, plain(err)
	}
	if p.code, err = compiler.Compile(tree, config); err != nil {
		return nil, plain(err)
	}
	p.direct, p.read = directCall(tree.Node)
	return p, nil
}

// directCall is an expression that only reads something of the input, such as body("id") or content, as a call of
// the function that it names; nil for any other. Most expressions are so simple, and each delivery evaluates
// several: there is no need for a virtual machine. Where the function gives a text, read gives the same without a box
// around it.
func directCall(node ast.Node) (direct func(*Input) (any, error), read func(*Input) string) {
	call, ok := node.(*ast.CallNode)
	if !ok || len(call.Arguments) == 0 || len(call.Arguments) > 2 {
		return nil, nil
	}
	callee, ok := call.Callee.(*ast.IdentifierNode)
	if !ok {
		return nil, nil
	}
	if env, ok := call.Arguments[0].(*ast.IdentifierNode); !ok || env.Value != "$env" {
		return nil, nil
	}
	f, ok := functions[callee.Value]
	if !ok {
		return nil, nil
	}
	if len(call.Arguments) == 1 {
		if f.text != nil {
			read = func(in *Input) string { return f.text(in, "") }
		}
		return func(in *Input) (any, error) { return f.call(in) }, read
	}
	literal, ok := call.Arguments[1].(*ast.StringNode)
	if !ok {
		return nil, nil
	}
	if f.text != nil {
		read = func(in *Input) string { return f.text(in, literal.Value) }
	}
	var argument any = literal.Value
	return func(in *Input) (any, error) { return f.call(in, argument) }, read
}

// options fix the language: its functions, and nothing of expr's that is unbounded, has a clock or prints
// nil.
var options = func() []expr.Option {
	out := []expr.Option{expr.Env(struct{}{}), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins()}
	for _, name := range []string{
		"len", "lower", "upper", "trim", "trimPrefix", "trimSuffix", "split", "join", "indexOf", "hasPrefix", "hasSuffix",
		"all", "any", "none", "one", "filter", "map", "find", "count", "toBase64", "fromJSON",
	} {
		out = append(out, expr.EnableBuiltin(name))
	}
	for name, f := range functions {
		out = append(out, expr.Function(name, f.call, f.signature))
	}
	return out
}()

// checkKind compares the type that the checker found with the kind that the place wants.
func checkKind(t reflect.Type, kind Kind) error {
	is := func(kinds ...reflect.Kind) bool { return t != nil && slices.Contains(kinds, t.Kind()) }
	ok := false
	switch kind {
	case String:
		ok = is(reflect.String)
	case Bool:
		ok = is(reflect.Bool)
	case List:
		ok = is(reflect.String, reflect.Slice)
	case Any:
		ok = !is(reflect.Func)
	}
	if ok {
		return nil
	}
	what := "a value whose type is known only when it runs"
	switch {
	case is(reflect.Interface) || t == nil:
	case is(reflect.Func):
		what = "a function; call it with ()"
	case is(reflect.String):
		what = "a text"
	case is(reflect.Bool):
		what = "true or false"
	case is(reflect.Int, reflect.Int64, reflect.Float64):
		what = "a number; string() makes a text of it"
	case is(reflect.Slice):
		what = "a list"
	case is(reflect.Map):
		what = "an object"
	}
	return fmt.Errorf("the expression gives %s, but %s is wanted here", what, kind)
}

// plain is an error of expr in one line, with the column and without the picture of the source.
func plain(err error) error {
	var e *file.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%s (column %d)", e.Message, e.Column+1)
	}
	return err
}

// Eval runs the program. A String program returns a string, Bool a bool, List a []string; Any returns what
// json.Marshal takes, in which a json.RawMessage stands for a part that is passed on as it came. The
// result may share memory with the bytes of the input.
func (p *Program) Eval(in Input) (any, error) {
	out, err := p.run(in)
	if err != nil {
		return nil, p.failed(err)
	}
	switch p.kind {
	case String:
		if _, ok := out.(string); !ok {
			return nil, fmt.Errorf("expression %q gives %T instead of a text", p.source, out)
		}
	case Bool:
		if _, ok := out.(bool); !ok {
			return nil, fmt.Errorf("expression %q gives %T instead of true or false", p.source, out)
		}
	case List:
		return p.list(out)
	}
	return out, nil
}

// EvalText runs a String program.
func (p *Program) EvalText(in Input) (text string, err error) {
	if p.read == nil || p.kind != String {
		out, err := p.Eval(in)
		if err != nil {
			return "", err
		}
		text, ok := out.(string)
		if !ok {
			return "", fmt.Errorf("expression %q gives %T instead of a text", p.source, out)
		}
		return text, nil
	}
	held := p.hold(in)
	defer func() {
		p.giveBack(held)
		if r := recover(); r != nil {
			text, err = "", p.failed(fmt.Errorf("%v", r))
		}
	}()
	return p.read(held), nil
}

func (p *Program) hold(in Input) *Input {
	held, ok := p.inputs.Get().(*Input)
	if !ok {
		held = new(Input)
	}
	*held = in
	return held
}

// giveBack leaves nothing of a delivery behind.
func (p *Program) giveBack(in *Input) {
	*in = Input{}
	p.inputs.Put(in)
}

func (p *Program) run(in Input) (any, error) {
	held := p.hold(in)
	defer p.giveBack(held)
	if p.direct != nil {
		return p.runDirect(held)
	}
	return vm.Run(p.code, held)
}

// runDirect makes an error of a panic, as the machine does.
func (p *Program) runDirect(in *Input) (out any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return p.direct(in)
}

// EvalJSON runs an Any program and returns its result as JSON. What json, itemJSON, content, rawBody or
// data give is passed on byte for byte, without a copy, and not checked for being valid JSON.
func (p *Program) EvalJSON(in Input) (json.RawMessage, error) {
	out, err := p.Eval(in)
	if err != nil {
		return nil, err
	}
	switch out := out.(type) {
	case json.RawMessage:
		return out, nil
	case string:
		if p.rawText {
			return bytesOf(out), nil
		}
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("expression %q gives no JSON: %w", p.source, err)
	}
	return data, nil
}

func (p *Program) list(out any) ([]string, error) {
	switch out := out.(type) {
	case string:
		return []string{out}, nil
	case []string:
		return out, nil
	case []any:
		texts := make([]string, 0, len(out))
		for _, item := range out {
			text, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("expression %q gives a list with %T instead of texts", p.source, item)
			}
			texts = append(texts, text)
		}
		return texts, nil
	default:
		return nil, fmt.Errorf("expression %q gives %T instead of a list of texts", p.source, out)
	}
}

// failed describes a failure while running. An error of our own functions is kept for errors.As.
func (p *Program) failed(err error) error {
	var empty *EmptyError
	if errors.As(err, &empty) {
		return empty
	}
	var e *file.Error
	if errors.As(err, &e) {
		message, _, _ := strings.Cut(e.Message, "\n")
		if strings.Contains(message, "is nil, not string") {
			message = "nothing (null) where a text is wanted"
		}
		return fmt.Errorf("expression %q fails: %s", p.source, message)
	}
	return fmt.Errorf("expression %q fails: %w", p.source, err)
}

// isRawText says whether a program's result is the text of a document, to be passed on and not quoted.
func isRawText(node ast.Node) bool {
	call, ok := node.(*ast.CallNode)
	if !ok {
		return false
	}
	callee, ok := call.Callee.(*ast.IdentifierNode)
	return ok && slices.Contains([]string{"content", "rawBody", "data"}, callee.Value)
}

// keepRaw makes json() and itemJSON() give the bytes of the document where they become part of the result,
// so that numbers and the order of keys survive. Elsewhere they give values to compute with.
func keepRaw(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.CallNode:
		callee, ok := n.Callee.(*ast.IdentifierNode)
		if !ok {
			return
		}
		if raw, ok := rawVariants[callee.Value]; ok {
			callee.Value = raw
		}
	case *ast.MapNode:
		for _, pair := range n.Pairs {
			if pair, ok := pair.(*ast.PairNode); ok {
				keepRaw(&pair.Value)
			}
		}
	case *ast.ArrayNode:
		for i := range n.Nodes {
			keepRaw(&n.Nodes[i])
		}
	case *ast.ConditionalNode:
		keepRaw(&n.Exp1)
		keepRaw(&n.Exp2)
	case *ast.VariableDeclaratorNode:
		keepRaw(&n.Expr)
	}
}
