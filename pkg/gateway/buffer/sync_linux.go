package buffer

import (
	"errors"
	"os"
	"syscall"
)

// allocate takes space for a file that is empty.
func allocate(file *os.File, size int64) error {
	for {
		switch err := syscall.Fallocate(int(file.Fd()), 0, 0, size); {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return zeros(file, size)
		default:
			return os.NewSyscallError("fallocate", err)
		}
	}
}

// syncData waits until the disk has the file's content. When a file was changed is not part of it.
func syncData(file *os.File) error {
	for {
		err := syscall.Fdatasync(int(file.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
