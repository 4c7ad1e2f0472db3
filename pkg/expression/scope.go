package expression

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// Scope is the place an expression stands in; it decides which names it may use.
type Scope int

// The scopes. Parameters and pure functions are visible in each of them.
const (
	// Parameters: param(name), params(name).
	Parameters Scope = iota
	// Delivery adds body, json, header, form, query, path, rawBody, content, contentType, topic.
	Delivery
	// Item is Delivery inside a split: it adds item, itemJSON and index.
	Item
	// Discovery: item, itemJSON and index over one entry of a listing of the system.
	Discovery
	// Webhook: a request to the system about one webhook: id, topic, callback, label, item.
	Webhook
	// Response: the system's answer: status, header, response(path).
	Response
	// Relay: an event from Kyma on its way out: id, type, version, source, subject, time, data, body, json.
	Relay
	// Manual: what a person has to enter: callback, secretRef(name) and eventTypes, those of the catalog.
	Manual
	// Claims: a token that is signed for a call: nonce.
	Claims
	// Event is Delivery once the event's type is known: it adds type.
	Event
	// EventItem is Event inside a split.
	EventItem
)

// String names the scope as error messages do.
func (s Scope) String() string {
	if int(s) < len(scopeNames) {
		return scopeNames[s]
	}
	return fmt.Sprintf("scope %d", int(s))
}

var scopeNames = [...]string{
	"parameters", "a delivery", "an item of a split delivery", "a discovered API", "a webhook request",
	"an answer of the system", "a relayed event", "manual steps", "the claims of a token",
	"an event", "an event of a split delivery",
}

// Groups of scopes for the table below.
var (
	anyDelivery = []Scope{Delivery, Item, Event, EventItem}
	anyItem     = []Scope{Item, EventItem, Discovery, Webhook}
)

// placed are the names that stand for something only in some scopes. All others are pure functions.
var placed = map[string][]Scope{
	"body": with(anyDelivery, Relay), "json": with(anyDelivery, Relay),
	"header": with(anyDelivery, Response), "form": anyDelivery, "query": anyDelivery, "path": anyDelivery,
	"rawBody": anyDelivery, "content": anyDelivery, "contentType": with(anyDelivery, Response),
	"item": anyItem, "itemJSON": anyItem, "index": {Item, EventItem, Discovery},
	"type": {Event, EventItem, Relay}, "topic": with(anyDelivery, Webhook), "version": {Relay},
	"id": {Webhook, Relay}, "callback": {Webhook, Manual}, "label": {Webhook},
	"source": {Relay}, "subject": {Relay}, "time": {Relay}, "data": {Relay},
	"status": {Response}, "response": {Response},
	"secretRef": {Manual}, "eventTypes": {Manual}, "nonce": {Claims},
}

func with(scopes []Scope, more ...Scope) []Scope { return slices.Concat(scopes, more) }

// variables are the names that are used without parentheses.
var variables = []string{
	"rawBody", "content", "contentType", "index", "type", "topic", "version", "id", "callback", "label", "source", "subject",
	"time", "data", "status", "nonce", "eventTypes",
}

// hidden are functions that definitions do not see.
var hidden = slices.Collect(maps.Values(rawVariants))

// accessors take the input besides what is written between their parentheses, which is at most one literal.
// The number says whether the literal may be left out.
var accessors = map[string]struct{ optional, number bool }{
	"param": {}, "params": {}, "secretRef": {}, "header": {}, "form": {}, "query": {}, "path": {number: true},
	"body": {optional: true}, "json": {optional: true}, "item": {optional: true}, "itemJSON": {optional: true}, "response": {optional: true},
}

// binder checks the names of a syntax tree against the scope and binds them to the input.
type binder struct {
	scope      Scope
	params     []string
	secretRefs []string
	names      []string
	lists      []string
	headers    []string
	queries    []string
	err        error
}

func (b *binder) bind(node *ast.Node) { ast.Walk(node, b) }

// Visit implements ast.Visitor. Children come before their parents.
func (b *binder) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		b.identifier(node, n)
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			b.call(callee.Value, n)
		}
	case *ast.BinaryNode:
		if _, literal := n.Right.(*ast.StringNode); n.Operator == "matches" && !literal {
			b.fail(n, "the pattern of matches has to be a plain text")
		}
	}
}

func (b *binder) identifier(node *ast.Node, n *ast.IdentifierNode) {
	if n.Value == "$env" || slices.Contains(hidden, n.Value) {
		b.fail(n, "unknown name %s", n.Value)
		return
	}
	if scopes, ok := placed[n.Value]; ok && !slices.Contains(scopes, b.scope) {
		b.fail(n, "%s cannot be used here: this place sees %s; %s belongs to %s", n.Value, b.scope, n.Value, scopeList(scopes))
		return
	}
	if slices.Contains(variables, n.Value) {
		b.use(&b.names, n.Value)
		call := &ast.CallNode{Callee: &ast.IdentifierNode{Value: n.Value}, Arguments: []ast.Node{&ast.IdentifierNode{Value: "$env"}}}
		call.SetLocation(n.Location())
		*node = call
	}
}

func (b *binder) call(name string, n *ast.CallNode) {
	switch name {
	case "need":
		if len(n.Arguments) != 1 {
			b.fail(n, "need() takes one text")
			return
		}
		n.Arguments = append(n.Arguments, &ast.StringNode{Value: sourceOf(n.Arguments[0])})
		return
	case "capture":
		b.capture(n)
		return
	}
	accessor, ok := accessors[name]
	if !ok {
		return
	}
	b.use(&b.names, name)
	argument := ast.Node(&ast.StringNode{})
	switch {
	case len(n.Arguments) == 0 && accessor.optional:
	case len(n.Arguments) != 1:
		b.fail(n, "%s() takes one name", name)
		return
	default:
		argument = n.Arguments[0]
	}
	switch literal := argument.(type) {
	case *ast.IntegerNode:
		if !accessor.number || literal.Value < 1 {
			b.fail(n, "%s() does not take the number %d", name, literal.Value)
		}
	case *ast.StringNode:
		switch {
		case accessor.number:
			b.fail(n, "%s() takes a number, counted from 1", name)
		case literal.Value == "" && len(n.Arguments) == 1:
			b.fail(n, "%s() takes a name that is not empty", name)
		case name == "param":
			b.use(&b.params, literal.Value)
		case name == "params":
			b.use(&b.params, literal.Value)
			b.use(&b.lists, literal.Value)
		case name == "secretRef":
			b.use(&b.secretRefs, literal.Value)
		case name == "header":
			b.use(&b.headers, literal.Value)
		case name == "query":
			b.use(&b.queries, literal.Value)
		}
	default:
		b.fail(n, `%s() takes a plain text, as in %s("name")`, name, name)
	}
	n.Arguments = []ast.Node{&ast.IdentifierNode{Value: "$env"}, argument}
}

// capture compiles the pattern once.
func (b *binder) capture(n *ast.CallNode) {
	if len(n.Arguments) != 2 {
		return // the type check says what is wrong
	}
	literal, ok := n.Arguments[1].(*ast.StringNode)
	if !ok {
		b.fail(n, "the pattern of capture() has to be a plain text")
		return
	}
	pattern, err := regexp.Compile(literal.Value)
	switch {
	case err != nil:
		b.fail(n, "capture(): %s", err)
	case pattern.NumSubexp() == 0:
		b.fail(n, "the pattern of capture() needs a group in parentheses")
	default:
		n.Arguments[1] = &ast.ConstantNode{Value: pattern}
	}
}

func (b *binder) use(list *[]string, name string) {
	if i, found := slices.BinarySearch(*list, name); !found {
		*list = slices.Insert(*list, i, name)
	}
}

// fail keeps the first error, with its column.
func (b *binder) fail(node ast.Node, format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("%s (column %d)", fmt.Sprintf(format, args...), node.Location().From+1)
	}
}

func scopeList(scopes []Scope) string {
	texts := make([]string, len(scopes))
	for i, s := range scopes {
		texts[i] = s.String()
	}
	return strings.Join(texts, ", ")
}

// sourceOf writes a node as the definition does, without the input that binding added.
func sourceOf(node ast.Node) string {
	return strings.NewReplacer("($env, ", "(", "($env)", "").Replace(node.String())
}
