package addonctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// format is the value of --output.
type format string

const (
	asText format = "text"
	asJSON format = "json"
)

// String implements pflag.Value.
func (f *format) String() string { return string(*f) }

// Set implements pflag.Value.
func (f *format) Set(value string) error {
	if value != string(asText) && value != string(asJSON) {
		return errors.New("choose text or json")
	}
	*f = format(value)
	return nil
}

// Type implements pflag.Value.
func (f *format) Type() string { return "format" }

// outputFlag adds --output to a command.
func outputFlag(cmd *cobra.Command) *format {
	f := asText
	cmd.Flags().Var(&f, "output", "text, or json for machines")
	return &f
}

// print writes a result: as JSON, or by text.
func (c *Context) print(f format, result any, text func(w io.Writer) error) error {
	if f == asJSON {
		e := json.NewEncoder(c.Streams.Out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(result)
	}
	return text(c.Streams.Out)
}

// progress tells a person what is going on.
func (c *Context) progress(format string, args ...any) {
	if c.Streams.IsTerminal {
		fmt.Fprintf(c.Streams.Err, format+"\n", args...)
	}
}

// The colours that text may have.
const (
	red    = "31"
	yellow = "33"
	cyan   = "36"
	bold   = "1"
)

// paint colours text where a person sees it and has not asked for none.
func (c *Context) paint(colour, text string) string {
	if !c.Streams.IsTerminal || c.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
