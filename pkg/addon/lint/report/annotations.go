package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
)

// GitHubActions writes findings as workflow commands, which GitHub Actions shows beside the lines.
func GitHubActions(w io.Writer, findings []lint.Finding) error {
	for _, f := range findings {
		command := map[lint.Severity]string{lint.Error: "error", lint.Warning: "warning", lint.Info: "notice"}[f.Severity]
		line := ""
		if f.Line > 0 {
			line = fmt.Sprintf(",line=%d", f.Line)
		}
		message := fmt.Sprintf("%s\nNext: %s", f.Message, f.Next)
		if _, err := fmt.Fprintf(w, "::%s file=%s%s,title=%s::%s\n", command, property(f.Path), line, property(f.Rule), data(message)); err != nil {
			return err
		}
	}
	return nil
}

// data escapes the text of a workflow command.
func data(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

// property escapes a property of a workflow command.
func property(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(text)
}
