// Package charts holds the library chart that every connector chart is made with, so that a tool can bring it to
// a repository that has none.
package charts

import (
	"embed"
	"io/fs"
)

//go:embed all:common
var files embed.FS

// Library returns the library chart: the files of charts/common.
func Library() (fs.FS, error) { return fs.Sub(files, "common") }
