//go:build !linux

package buffer

import "os"

// allocate takes space for a file that is empty.
func allocate(file *os.File, size int64) error { return zeros(file, size) }

// syncData waits until the disk has the file's content.
func syncData(file *os.File) error { return file.Sync() }
