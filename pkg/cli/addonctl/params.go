package addonctl

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"

	"sigs.k8s.io/yaml"
)

// maxParameters bounds a file of parameters in bytes.
const maxParameters = 1 << 20

var lineNumber = regexp.MustCompile(`line [0-9]+`)

// readParameters reads the values of a form from a YAML file, or from stdin for "-". No message quotes the
// file: it holds secrets.
func (c *Context) readParameters(file string) (map[string]any, error) {
	if file == "" {
		return nil, nil
	}
	in := c.Streams.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxParameters+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxParameters {
		return nil, fmt.Errorf("%s: larger than 1 MiB; want a YAML file with a value for each field of the form", file)
	}
	var parameters map[string]any
	if err := yaml.UnmarshalStrict(data, &parameters); err != nil {
		where := lineNumber.FindString(err.Error())
		if where != "" {
			where = " (" + where + ")"
		}
		return nil, fmt.Errorf("%s: not a YAML map with each field of the form once%s", file, where)
	}
	return parameters, nil
}

// logger writes what libraries report to stderr, where a person watches.
func (c *Context) logger() *slog.Logger {
	if !c.Streams.IsTerminal {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(c.Streams.Err, &slog.HandlerOptions{Level: slog.LevelInfo}))
}
