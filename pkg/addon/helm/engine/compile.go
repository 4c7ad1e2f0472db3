package engine

import (
	"strings"
	"text/template/parse"
)

// body is a prepared template.
type body struct {
	run   statement
	vars  int // how many variables there are at most at the same time
	empty bool
	worth worth
}

// frame is a template while it runs.
type frame struct {
	run  *run
	dot  any
	vars []any
}

// flow says how a statement ended.
type flow int

const (
	next flow = iota
	broke
	continued
)

type (
	statement  func(*frame) flow
	expression func(*frame) any
)

// compiler prepares one template. Variables become places in the frame: templates name them where they are declared.
type compiler struct {
	engine *Engine
	names  []string
	// ranged says of a variable that it holds what range gives: nil in it is something else than nothing.
	ranged []bool
	most   int
}

func compile(e *Engine, tree *parse.Tree) *body {
	c := &compiler{engine: e}
	c.declare("$", true)
	run := c.list(tree.Root)
	return &body{run: run, vars: c.most, empty: parse.IsEmptyTree(tree.Root)}
}

func (c *compiler) declare(name string, ranged bool) int {
	c.names, c.ranged = append(c.names, name), append(c.ranged, ranged)
	c.most = max(c.most, len(c.names))
	return len(c.names) - 1
}

// scope runs what declares variables, and forgets them.
func (c *compiler) scope(work func()) {
	mark := len(c.names)
	work()
	c.names, c.ranged = c.names[:mark], c.ranged[:mark]
}

func (c *compiler) variable(name string) int {
	for i := len(c.names) - 1; i >= 0; i-- {
		if c.names[i] == name {
			return i
		}
	}
	return -1
}

// unsure is a part of a template that Helm has to render, once it is reached.
func unsure(why string) expression { return func(*frame) any { stop(why); return nil } }

func (c *compiler) list(list *parse.ListNode) statement {
	if list == nil {
		return nil
	}
	var all []statement
	for _, n := range list.Nodes {
		if s := c.statement(n); s != nil {
			all = append(all, s)
		}
	}
	switch len(all) {
	case 0:
		return func(*frame) flow { return next }
	case 1:
		return all[0]
	}
	return func(f *frame) flow {
		for _, s := range all {
			if end := s(f); end != next {
				return end
			}
		}
		return next
	}
}

func (c *compiler) statement(n parse.Node) statement {
	switch n := n.(type) {
	case *parse.TextNode:
		text := n.Text
		return func(f *frame) flow { f.run.out = append(f.run.out, text...); return next }
	case *parse.ActionNode:
		return c.action(n)
	case *parse.IfNode:
		return c.branch(&n.BranchNode, false)
	case *parse.WithNode:
		return c.branch(&n.BranchNode, true)
	case *parse.RangeNode:
		return c.loop(n)
	case *parse.TemplateNode:
		value := c.optional(n.Pipe)
		return func(f *frame) flow {
			data := value(f)
			f.run.execute(f.run.named(n.Name), data)
			return next
		}
	case *parse.BreakNode:
		return func(*frame) flow { return broke }
	case *parse.ContinueNode:
		return func(*frame) flow { return continued }
	case *parse.CommentNode:
		return nil
	default:
		left := unsure("a node of another kind")
		return func(f *frame) flow { left(f); return next }
	}
}

func (c *compiler) optional(pipe *parse.PipeNode) expression {
	if pipe == nil {
		return func(*frame) any { return nil }
	}
	return c.pipe(pipe)
}

func (c *compiler) action(n *parse.ActionNode) statement {
	if name, data := c.included(n.Pipe); name != nil {
		return func(f *frame) flow { f.run.write(text(name(f)), data(f)); return next }
	}
	value := c.pipe(n.Pipe)
	if len(n.Pipe.Decl) > 0 {
		return func(f *frame) flow { value(f); return next }
	}
	return func(f *frame) flow {
		v := value(f)
		if t := f.run.tracer; t != nil {
			t.whole(v)
		}
		f.run.out = appendValue(f.run.out, v)
		return next
	}
}

// included are the arguments of an include that is all of a pipeline; nil where it is something else.
func (c *compiler) included(pipe *parse.PipeNode) (name, data expression) {
	if len(pipe.Decl) > 0 || len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 3 {
		return nil, nil
	}
	args := pipe.Cmds[0].Args
	if function, ok := args[0].(*parse.IdentifierNode); !ok || function.Ident != "include" {
		return nil, nil
	}
	return c.operand(args[1]), c.operand(args[2])
}

func (c *compiler) branch(n *parse.BranchNode, with bool) (s statement) {
	c.scope(func() {
		value := c.pipe(n.Pipe)
		var yes, no statement
		c.scope(func() { yes = c.list(n.List) })
		c.scope(func() { no = c.list(n.ElseList) })
		s = func(f *frame) flow {
			v := value(f)
			switch {
			case truth(v) && with:
				dot := f.dot
				f.dot = v
				end := yes(f)
				f.dot = dot
				return end
			case truth(v):
				return yes(f)
			case no != nil:
				return no(f)
			}
			return next
		}
	})
	return s
}

func (c *compiler) loop(n *parse.RangeNode) (s statement) {
	c.scope(func() {
		key, elem := -1, -1
		value := c.commands(n.Pipe)
		// Declarations are of what goes through the loop. With one, it is the element.
		var places []int
		for _, v := range n.Pipe.Decl {
			if n.Pipe.IsAssign {
				place := c.variable(v.Ident[0])
				if place >= 0 {
					c.ranged[place] = true
				}
				places = append(places, place)
			} else {
				places = append(places, c.declare(v.Ident[0], true))
			}
		}
		switch len(places) {
		case 1:
			elem = places[0]
		case 2:
			key, elem = places[0], places[1]
		}
		assigns := n.Pipe.IsAssign && len(places) > 0
		var each, none statement
		c.scope(func() { each = c.list(n.List) })
		c.scope(func() { none = c.list(n.ElseList) })
		s = func(f *frame) flow {
			if assigns { // of what is there after the loop, too
				stop("a loop that assigns")
			}
			dot, over := f.dot, value(f)
			if t := f.run.tracer; t != nil {
				t.each(over)
			}
			ran := iterate(over, func(k, v any) bool {
				if key >= 0 {
					f.vars[key] = k
				}
				if elem >= 0 {
					f.vars[elem] = v
				}
				f.dot = v
				return each(f) != broke
			}, key >= 0)
			f.dot = dot
			if !ran && none != nil {
				for _, place := range places {
					f.vars[place] = over
				}
				return none(f)
			}
			return next
		}
	})
	return s
}

// pipe is the value of a pipeline, with what it declares.
func (c *compiler) pipe(pipe *parse.PipeNode) expression {
	value := c.commands(pipe)
	if len(pipe.Decl) == 0 {
		return value
	}
	if len(pipe.Decl) > 1 {
		return unsure("two variables")
	}
	name := pipe.Decl[0].Ident[0]
	place := -1
	if pipe.IsAssign {
		place = c.variable(name)
	} else {
		place = c.declare(name, false)
	}
	if place < 0 {
		return unsure("no variable " + name)
	}
	return func(f *frame) any {
		v := value(f)
		f.vars[place] = v
		return v
	}
}

func (c *compiler) commands(pipe *parse.PipeNode) expression {
	var value expression
	for _, cmd := range pipe.Cmds {
		value = c.command(cmd, value)
	}
	return value
}

// command is the value of a command. final is what comes through the pipe; nil where nothing does.
func (c *compiler) command(cmd *parse.CommandNode, final expression) expression {
	switch n := cmd.Args[0].(type) {
	case *parse.FieldNode:
		return c.chain(func(f *frame) any { return f.dot }, false, n.Ident, cmd.Args[1:], final)
	case *parse.ChainNode:
		return c.chainNode(n, cmd.Args[1:], final)
	case *parse.IdentifierNode:
		return c.call(n.Ident, cmd.Args[1:], final)
	case *parse.VariableNode:
		if len(n.Ident) > 1 {
			return c.variableChain(n, cmd.Args[1:], final)
		}
	}
	if len(cmd.Args) > 1 || final != nil {
		return unsure("arguments for what is no function")
	}
	if cmd.Args[0].Type() == parse.NodeNil {
		return unsure("nil is no command")
	}
	return c.operand(cmd.Args[0])
}

// operand is the value of a word.
func (c *compiler) operand(n parse.Node) expression {
	switch n := n.(type) {
	case *parse.DotNode:
		return func(f *frame) any { return f.dot }
	case *parse.NilNode:
		return func(*frame) any { return nil }
	case *parse.BoolNode:
		value := any(n.True)
		return func(*frame) any { return value }
	case *parse.StringNode:
		value := any(n.Text)
		return func(*frame) any { return value }
	case *parse.NumberNode:
		value, ok := number(n)
		if !ok {
			return unsure("a number")
		}
		return func(*frame) any { return value }
	case *parse.FieldNode:
		return c.chain(func(f *frame) any { return f.dot }, false, n.Ident, nil, nil)
	case *parse.VariableNode:
		if len(n.Ident) > 1 {
			return c.variableChain(n, nil, nil)
		}
		place := c.variable(n.Ident[0])
		if place < 0 {
			return unsure("no variable " + n.Ident[0])
		}
		return func(f *frame) any { return f.vars[place] }
	case *parse.PipeNode:
		return c.pipe(n)
	case *parse.IdentifierNode:
		return c.call(n.Ident, nil, nil)
	case *parse.ChainNode:
		return c.chainNode(n, nil, nil)
	default:
		return unsure("a word of another kind")
	}
}

func (c *compiler) variableChain(n *parse.VariableNode, args []parse.Node, final expression) expression {
	place := c.variable(n.Ident[0])
	if place < 0 {
		return unsure("no variable " + n.Ident[0])
	}
	return c.chain(func(f *frame) any { return f.vars[place] }, !c.ranged[place], n.Ident[1:], args, final)
}

func (c *compiler) chainNode(n *parse.ChainNode, args []parse.Node, final expression) expression {
	pipe, ok := n.Node.(*parse.PipeNode)
	if !ok {
		return unsure("fields of a word")
	}
	return c.chain(c.pipe(pipe), true, n.Field, args, final)
}

// chain is the value of .A.B.C of a receiver; the last may be a method with arguments. nothing says that a receiver
// that is nil has fields, which are nil.
func (c *compiler) chain(receiver expression, nothing bool, idents []string, args []parse.Node, final expression) expression {
	if len(args) > 0 || final != nil {
		var values []expression
		for _, a := range args {
			values = append(values, c.operand(a))
		}
		if final != nil {
			values = append(values, final)
		}
		return func(f *frame) any {
			of := receiver(f)
			if len(idents) > 1 {
				of = f.run.fields(of, idents[:len(idents)-1])
			}
			given := make([]any, len(values))
			for i, v := range values {
				given[i] = v(f)
			}
			return f.run.method(of, idents[len(idents)-1], given)
		}
	}
	if len(idents) == 1 {
		name := idents[0]
		return func(f *frame) any {
			of := receiver(f)
			if m, ok := of.(map[string]any); ok && f.run.tracer == nil {
				return m[name]
			}
			if of == nil && nothing {
				return nil
			}
			return f.run.fields(of, idents)
		}
	}
	return func(f *frame) any {
		of := receiver(f)
		if of == nil && nothing {
			return nil
		}
		return f.run.fields(of, idents)
	}
}

// number is a constant whose type nobody asks for.
func number(n *parse.NumberNode) (any, bool) {
	switch {
	case n.IsComplex:
		return nil, false
	case n.IsFloat && !strings.HasPrefix(n.Text, "'") && !strings.HasPrefix(n.Text, "0x") && !strings.HasPrefix(n.Text, "0X") && strings.ContainsAny(n.Text, ".eEpP"):
		return n.Float64, true
	case n.IsInt && int64(int(n.Int64)) == n.Int64:
		return int(n.Int64), true
	}
	return nil, false
}
