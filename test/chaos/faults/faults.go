// Package faults makes the disk of a real, unchanged process fail, as an ordinary user: the kernel asks the
// test about every system call that writes, and the test says whether it fails, and how (seccomp user
// notifications, Linux 5.5 and later). It also bounds the files of a running process (RLIMIT_FSIZE), which
// the kernel refuses by itself.
package faults

import "errors"

// Mode is what goes wrong.
type Mode int32

// The modes.
const (
	// None: everything works.
	None Mode = iota
	// Full: nothing can be written, because the volume is full (ENOSPC).
	Full
	// Write: what is written fails (EIO).
	Write
	// Sync: what was written does not reach the disk (EIO of fsync and fdatasync).
	Sync
	// Some: every thirteenth call, of any kind, fails with EIO.
	Some
)

// ErrUnsupported says that this system cannot do it, and why.
var ErrUnsupported = errors.New("disk faults cannot be injected on this system")

// Role is the value of the environment variable Variable in the process that becomes the other one: a test
// binary that finds it calls Become in TestMain.
const (
	Variable = "FAULTS_SHIM"
	traps    = "FAULTS_TRAPS"
)
