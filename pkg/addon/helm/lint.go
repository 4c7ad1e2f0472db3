package helm

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

// Lint runs Helm's own linter over the files of a chart and returns its warnings and errors. name is what
// the chart's directory is called.
func Lint(name string, files iter.Seq2[string, []byte], values map[string]any) ([]string, error) {
	// The linter reads a directory. One without links keeps Helm from reporting each of them on stderr.
	work, err := os.MkdirTemp("", "addonctl-lint-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }() // nothing of value
	root, err := os.OpenRoot(work)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for file, data := range files {
		at := filepath.Join(name, filepath.FromSlash(file))
		if err := root.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return nil, err
		}
		if err := root.WriteFile(at, data, 0o644); err != nil {
			return nil, err
		}
	}
	version, err := Capabilities{}.resolve()
	if err != nil {
		return nil, err
	}
	result := lint.AllWithKubeVersion(filepath.Join(work, name), copyMap(values), "default", &version.KubeVersion)
	var messages []string
	for _, m := range result.Messages {
		if m.Severity >= support.WarningSev {
			messages = append(messages, strings.ReplaceAll(fmt.Sprintf("%s: %s", m.Path, m.Err), work+string(filepath.Separator), ""))
		}
	}
	return messages, nil
}
