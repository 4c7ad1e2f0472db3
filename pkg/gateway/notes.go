package gateway

import (
	"sync"
	"time"
)

// notesPerSecond bounds log lines about deliveries that were not taken: a flood of them must not become a
// flood of lines. The metrics count them all.
const notesPerSecond = 10

// notes decides which of those lines are written.
type notes struct {
	mu      sync.Mutex
	second  int64
	written int
	skipped int
}

// allow says whether to write a line, and how many were left out since the last one.
func (n *notes) allow(now time.Time) (skipped int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if second := now.Unix(); second != n.second {
		n.second, n.written = second, 0
	}
	if n.written >= notesPerSecond {
		n.skipped++
		return 0, false
	}
	n.written++
	skipped, n.skipped = n.skipped, 0
	return skipped, true
}
