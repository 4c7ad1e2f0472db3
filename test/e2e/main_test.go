//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"testing"
)

// TestMain prints the report, and writes it to the file that E2E_REPORT names.
func TestMain(m *testing.M) {
	code := m.Run()
	fmt.Print("\n" + report.String() + "\n")
	if file := os.Getenv("E2E_REPORT"); file != "" && code == 0 {
		if err := os.WriteFile(file, []byte(heading+report.String()), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: the report cannot be written:", err)
			code = 1
		}
	}
	os.Exit(code)
}

const heading = `# What the end-to-end tests measured

Made by ` + "`make e2e E2E_REPORT=docs/reference/e2e.md`" + ` on the cluster of ` + "`make cluster-up`" + `: see [how it is tested](../decisions/e2e.md).

`
