package main

import (
	"os/exec"
	"syscall"
)

// missingRights tries what root may still be denied, in a container for instance.
func missingRights() []string {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
	if err := cmd.Run(); err != nil {
		return []string{"namespaces cannot be made (" + err.Error() + "): run it outside a container, or in a privileged one"}
	}
	return nil
}
