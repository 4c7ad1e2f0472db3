//go:build !linux

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// Disk decides about the writes of a process below a directory.
type Disk struct{}

// Set changes what goes wrong from now on.
func (d *Disk) Set(Mode) {}

// Failed is how many calls were made to fail so far.
func (d *Disk) Failed() int64 { return 0 }

// Start is for Linux only.
func Start(*exec.Cmd, string, bool) (*Disk, error) {
	return nil, fmt.Errorf("%w: %s", ErrUnsupported, runtime.GOOS)
}

// Become is for Linux only.
func Become() error { return ErrUnsupported }

// Bound is for Linux only.
func Bound(*os.Process, uint64) error { return fmt.Errorf("%w: %s", ErrUnsupported, runtime.GOOS) }
