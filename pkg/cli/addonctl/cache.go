package addonctl

import (
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/cache"
)

// cacheFlag adds --no-cache to a command.
func cacheFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("no-cache", false, "compute everything anew: neither read nor write what earlier runs made of the same content (in the user's cache directory)")
}

// cache opens the cache in the user's cache directory; nil where there is none.
func (c *Context) cache(none bool) *cache.Cache {
	if dir := c.cacheDir(); dir != "" && !none {
		opened := cache.Open(filepath.Join(dir, "addonctl"))
		opened.Prune()
		return opened
	}
	return nil
}

// cacheDir is where the system has programs keep what can be made again; empty where it does not say.
func (c *Context) cacheDir() string {
	for _, at := range []struct{ system, variable, below string }{
		{"windows", "LocalAppData", ""},
		{"darwin", "HOME", "Library/Caches"},
		{"", "XDG_CACHE_HOME", ""},
		{"", "HOME", ".cache"},
	} {
		dir := c.Getenv(at.variable)
		if (at.system == "" || at.system == runtime.GOOS) && filepath.IsAbs(dir) {
			return filepath.Join(dir, filepath.FromSlash(at.below))
		}
	}
	return ""
}

// packer packs a tree, or recalls what was made of the same one.
func packer(c *cache.Cache) addon.Packer {
	return func(tree addon.Tree, prefix string) ([]byte, error) {
		key := fmt.Sprintf("pack %q %s", prefix, tree.Hash())
		if data, known := c.Get(key); known {
			return data, nil
		}
		data, err := addon.Pack(tree, prefix)
		if err == nil {
			c.Put(key, data)
		}
		return data, err
	}
}
