package report

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// every is between two looks at a process: the kernel keeps the peak, and looking takes time from what is measured.
const every = 20 * time.Millisecond

// WatchMemory notes the peak of a process's resident memory, in KiB, until it is asked for. The kernel's own
// count for a child begins with the memory of its parent, so it cannot be used.
func WatchMemory(pid int) func() int {
	done, result := make(chan struct{}), make(chan int)
	go func() {
		peak := 0
		for {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			for line := range strings.Lines(string(status)) {
				if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
					kib, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
					peak = max(peak, kib)
				}
			}
			select {
			case <-done:
				result <- peak
				return
			case <-time.After(every):
			}
		}
	}()
	return func() int {
		close(done)
		return <-result
	}
}
