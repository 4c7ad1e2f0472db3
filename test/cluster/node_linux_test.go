package main

import (
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNodeInheritsNoFiles(t *testing.T) {
	t.Parallel()
	var pipe [2]int
	require.NoError(t, syscall.Pipe(pipe[:])) // as a shell leaves it to its commands
	defer func() { _, _ = syscall.Close(pipe[0]), syscall.Close(pipe[1]) }()
	inherited := func() error { return exec.Command("test", "-e", "/proc/self/fd/"+strconv.Itoa(pipe[1])).Run() }
	require.NoError(t, inherited())
	require.NoError(t, keepDescriptors())
	require.Error(t, inherited())
}
