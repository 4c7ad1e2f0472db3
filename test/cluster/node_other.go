//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
	"os/exec"
)

// Elsewhere missing says so before any of these is reached.
var errLinux = errors.New("a node needs Linux")

func missingRights() []string { return nil }

func canOverlay(string) bool { return false }

func kill(process) error { return errLinux }

func runNode(layout) error { return errLinux }

func (l layout) start() (int, error) { return 0, errLinux }

func (l layout) lock() (func(), error) { return nil, errLinux }

func (l layout) enter(ctx context.Context, _ settings, _ process, _ io.Reader, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, args[0], args[1:]...)
}
