//go:build !linux

package buffer

import "os"

// syncData waits until the disk has the file's content.
func syncData(file *os.File) error { return file.Sync() }
