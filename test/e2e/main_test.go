//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain prints the report, and writes it to the file that E2E_REPORT names. With E2E_LEAVE it takes away what it made.
func TestMain(m *testing.M) {
	started := time.Now()
	code := m.Run()
	fmt.Print("\n" + report.String() + "\n")
	if file := os.Getenv("E2E_REPORT"); file != "" && code == 0 {
		if err := os.WriteFile(file, []byte(heading+conditions(started)+report.String()), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: the report cannot be written:", err)
			code = 1
		}
	}
	if code == 0 && os.Getenv("E2E_LEAVE") != "" {
		code = leave()
	}
	os.Exit(code)
}

// leave takes away what the suite made in a cluster that others use, and returns the exit code.
func leave() int {
	if shared == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := shared.leave(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: something is left in the cluster:", err)
		return 1
	}
	return 0
}

const heading = `# What the end-to-end tests measured

Made by ` + "`make e2e E2E_REPORT=docs/reference/e2e.md`" + ` on the cluster of ` + "`make cluster-up`" + `: see [how it is tested](../decisions/e2e.md).

Waiting is the longest time from an event's first offer to its acknowledgement; senders repeat what was refused. Senders wait 10 s for an answer.

`

// conditions says when and on what the figures were measured.
func conditions(started time.Time) string {
	machine := fmt.Sprintf("%d cores", runtime.NumCPU())
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if model := regexp.MustCompile(`model name\s*:\s*(.+)`).FindSubmatch(info); model != nil {
			machine += " (" + strings.TrimSpace(string(model[1])) + ")"
		}
	}
	kubernetes := "unknown"
	if shared != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if out, err := shared.try(ctx, nil, "kubectl", "get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}"); err == nil {
			kubernetes = out
		}
	}
	return fmt.Sprintf("%s, %s, Kubernetes %s, %s in all.\n\n", started.UTC().Format(time.DateOnly), machine, kubernetes, time.Since(started).Round(time.Second))
}
