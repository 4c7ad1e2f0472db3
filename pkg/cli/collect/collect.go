// Package collect decides when a process that imports it collects garbage: for programs that make much of it, keep
// little and soon end. It decides before most of what such a program imports gets ready, since packages get ready in the
// order of their paths; that alone fills a small heap several times. GOGC and GOMEMLIMIT win.
package collect

import (
	"os"
	"runtime/debug"
)

// percent is how much the heap may grow, of what is in use, before the next collection. softMemory is from when on, in
// bytes, the process collects rather than grow.
const (
	percent    = 800
	softMemory = 190 << 20
)

func init() { //nolint:gochecknoinits // nothing else comes before what other packages do
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(softMemory)
	}
}
