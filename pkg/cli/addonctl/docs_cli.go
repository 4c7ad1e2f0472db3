package addonctl

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// The bounds of a program that describes itself.
const (
	referenceTimeout = 30 * time.Second
	maxReference     = 4 << 20
)

// newDocsCLI is "docs cli": it writes the reference of the three programs' command lines.
func newDocsCLI(c *Context) *cobra.Command {
	var out, binDir string
	cmd := &cobra.Command{
		Use:   "cli",
		Short: "Write the reference of the three command lines",
		Long: `Write the reference of the command lines of addonctl, event-gateway and registration-job, a page for each: what
their --help says. The programs beside this one are asked; --bin-dir names another directory. Without --out, the
pages go to stdout. The files that changed are printed.`,
		Example: `  addonctl docs cli --out docs/reference/cli
  addonctl docs cli --bin-dir bin | less`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&out, "out", "", "the directory to write to")
	cmd.Flags().StringVar(&binDir, "bin-dir", "", "directory with the other programs; default: that of this one")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := (&tryOptions{binDir: binDir}).binaries()
		if err != nil {
			return err
		}
		all := map[string][]byte{"addonctl.md": cli.Reference(cmd.Root())}
		others := []string{"event-gateway", "registration-job"}
		for _, name := range others {
			page, err := describe(cmd.Context(), filepath.Join(dir, name))
			if err != nil {
				return cli.Config(err)
			}
			all[name+".md"] = page
		}
		if out == "" {
			for _, name := range append([]string{"addonctl"}, others...) {
				if _, err := c.Streams.Out.Write(all[name+".md"]); err != nil {
					return err
				}
			}
			return nil
		}
		changed, err := writePages(out, all)
		for _, name := range changed {
			fmt.Fprintln(c.Streams.Out, name)
		}
		return err
	}
	return cmd
}

// describe asks a program for its reference.
func describe(ctx context.Context, program string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, referenceTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "reference")
	cmd.Env = []string{} // what is set here is no default of the program's
	var page bytes.Buffer
	cmd.Stdout = &limited{w: &page, left: maxReference}
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s does not describe itself: %w; make build puts the programs beside each other, --bin-dir names their directory", program, err)
	}
	if !strings.HasPrefix(page.String(), "<!-- Made from the program") {
		return nil, fmt.Errorf("%s describes itself otherwise; build it anew (make build)", program)
	}
	return page.Bytes(), nil
}

// limited is a writer that refuses more than is left.
type limited struct {
	w    io.Writer
	left int
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, fmt.Errorf("more than %d bytes", maxReference)
	}
	l.left -= len(p)
	return l.w.Write(p)
}
