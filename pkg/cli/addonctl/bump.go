package addonctl

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/bump"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

func newBump(c *Context) *cobra.Command {
	var major, minor, patch bool
	var message string
	cmd := &cobra.Command{
		Use:   "bump ADDON [VERSION]",
		Short: "Give an add-on another version",
		Long: `Give an add-on a higher version: its directory is renamed, meta.yaml and the chart's Chart.yaml get the version
(comments stay), the links are checked, the indexes written, and CHANGELOG.md gets a line under Unreleased. Where
something is refused, nothing is changed. addonctl diff says which part of the version is due.

The version of the chart's images (appVersion) is not touched. Lines of documents and templates that name the old version
(acme-connector-0.1.0) are told, not changed. In git, the renamed directory shows as renamed.

Exit code 0: it has the new version. 2: the version is not higher, or the repository is not in order.`,
		Example: `  addonctl bump acme-connector --minor
  addonctl bump acme-connector --patch --message "names the field that is wrong"
  addonctl bump acme-connector 1.0.0 --output json`,
		Args: cobra.RangeArgs(1, 2),
	}
	f := cmd.Flags()
	f.BoolVar(&major, "major", false, "raise the first number: something that worked does not any more")
	f.BoolVar(&minor, "minor", false, "raise the second number: something new")
	f.BoolVar(&patch, "patch", false, "raise the third number: something is right now")
	f.StringVar(&message, "message", "", "what is new, for the line in CHANGELOG.md")
	cmd.MarkFlagsMutuallyExclusive("major", "minor", "patch")
	output := outputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		repo, err := c.Repo()
		if err != nil {
			return err
		}
		names, err := c.names(repo, args[:1])
		if err != nil {
			return err
		}
		to, err := bumpTo(names[0], args[1:], map[bump.Part]bool{bump.Major: major, bump.Minor: minor, bump.Patch: patch})
		if err != nil {
			return cli.Config(err)
		}
		result, err := bump.Bump(repo, names[0], to, message)
		if err != nil {
			return cli.Config(err)
		}
		return c.print(*output, result, func(w io.Writer) error {
			if _, err := fmt.Fprintf(w, "%s: %s is %s now\n  %s\n", result.Addon, result.Key, result.To, strings.Join(result.Changed, "\n  ")); err != nil {
				return err
			}
			for _, m := range result.Mentions {
				if _, err := fmt.Fprintf(w, "look at %s:%d, which names %s-%s still\n", m.Path, m.Line, result.Key, result.From); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

func bumpTo(name string, version []string, parts map[bump.Part]bool) (string, error) {
	var part bump.Part
	for p, wanted := range parts {
		if wanted {
			part = p
		}
	}
	switch {
	case len(version) == 1 && part != "":
		return "", fmt.Errorf("the version %s and --%s exclude each other; choose one", version[0], part)
	case len(version) == 1:
		return version[0], nil
	case part == "":
		return "", errors.New("which version? name it, or choose --major, --minor or --patch")
	}
	_, from, err := addon.SplitName(name)
	if err != nil {
		return "", err
	}
	return bump.Next(from, part)
}
