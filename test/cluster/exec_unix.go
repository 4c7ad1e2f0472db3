//go:build unix

package main

import "syscall"

func replaceProcess(program string, args, env []string) error {
	return syscall.Exec(program, args, env) //nolint:gosec // a tool that was built here, with its user's arguments
}
