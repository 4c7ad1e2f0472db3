package addonctl

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint/pages"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// newDocsRules is "docs rules": it writes the pages of the linter's rules.
func newDocsRules(c *Context) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "rules [ID]",
		Short: "Write a page for each rule of lint, or show the page of one",
		Long: `Write a page for each rule of lint, with what breaks it and what does not, and an index of them.
With the id of a rule, its page goes to stdout. Pages of rules that are gone are removed from --out.`,
		Example: `  addonctl docs rules CHT010
  addonctl docs rules --out docs/reference/rules`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := pages.All()
			if err != nil {
				return err
			}
			switch {
			case len(args) == 1:
				page, found := all[strings.ToUpper(args[0])+".md"]
				if !found {
					return cli.Config(fmt.Errorf("there is no rule %s; addonctl lint --list shows them", args[0]))
				}
				_, err := c.Streams.Out.Write(page)
				return err
			case out == "":
				return cli.Config(fmt.Errorf("name a rule, or a directory with --out"))
			}
			changed, err := writePages(out, all)
			for _, name := range changed {
				fmt.Fprintln(c.Streams.Out, name)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the directory to write to")
	return cmd
}

// writePages makes a directory hold the pages, and no other rule's. It returns what it changed.
func writePages(dir string, all map[string][]byte) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var changed []string
	for name, want := range all {
		if is, err := root.ReadFile(name); err == nil && string(is) == string(want) {
			continue
		}
		if err := addon.WriteFile(root, name, want); err != nil {
			return changed, err
		}
		changed = append(changed, filepath.Join(dir, name))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return changed, err
	}
	for _, e := range entries {
		if _, known := all[e.Name()]; known || !isRulePage(root, e.Name()) {
			continue
		}
		if err := root.Remove(e.Name()); err != nil {
			return changed, err
		}
		changed = append(changed, filepath.Join(dir, e.Name()))
	}
	slices.Sort(changed)
	return changed, nil
}

// isRulePage says whether a file is one that this program has written.
func isRulePage(root *os.Root, name string) bool {
	f, err := root.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 1<<12))
	return err == nil && strings.HasSuffix(name, ".md") && strings.Contains(string(head), pages.Mark)
}
