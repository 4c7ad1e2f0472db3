package buffer

import (
	"errors"
	"os"
	"syscall"
)

// syncData waits until the disk has the file's content. When a file was changed is not part of it.
func syncData(file *os.File) error {
	for {
		err := syscall.Fdatasync(int(file.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
