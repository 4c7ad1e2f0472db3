package addonctl

import (
	"github.com/spf13/cobra"
)

// newCompletion is "completion": cobra's scripts, and the names of add-ons where a command takes one.
func newCompletion(c *Context) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes commands, flags and add-ons in a shell",
		Long: `Print a script that completes commands, flags and the names of add-ons in a shell: bash (with the package
bash-completion), zsh, fish or PowerShell. Load it in a running shell, or at the start of each.`,
		Example: `  source <(addonctl completion bash)
  addonctl completion zsh > "${fpath[1]}/_addonctl"
  addonctl completion fish > ~/.config/fish/completions/addonctl.fish
  addonctl completion powershell | Out-String | Invoke-Expression`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), c.Streams.Out
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			default:
				return root.GenPowerShellCompletionWithDesc(out)
			}
		},
	}
}

// completeAddons completes the names of the repository's add-ons, and files, for every command whose usage takes
// an add-on.
func (c *Context) completeAddons(_ *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	repo, err := c.Repo()
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	addons, err := repo.Names()
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return addons, cobra.ShellCompDirectiveDefault
}
