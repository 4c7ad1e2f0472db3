// Package telemetry holds what every long-running binary says about itself: JSON logs and metrics in
// Prometheus' text format.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// NewLogger writes one JSON object per line to w. The level is debug, info, warn or error.
func NewLogger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", level)
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})), nil
}

// Discard is a logger that says nothing, for tests and commands without logs.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
