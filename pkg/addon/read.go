package addon

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ArchiveSuffix ends the name of a packed add-on.
const ArchiveSuffix = ".tgz"

// readAddon reads the add-on directory dir.
// Links are followed where they stay in the repository; what the chart's .helmignore names and hidden
// files outside the chart are left out.
func readAddon(v view, dir string, limits Limits) (Tree, error) {
	tree, err := readDir(v, dir, limits, func(name string, _ bool) bool {
		return !strings.HasPrefix(path.Base(name), ".") || strings.HasPrefix(name, ChartDir+"/")
	})
	if err != nil {
		return Tree{}, err
	}
	return ignoreInCharts(tree)
}

// ignoreInCharts applies each chart's .helmignore.
func ignoreInCharts(tree Tree) (Tree, error) {
	charts, _ := tree.Entries(ChartDir)
	for _, name := range charts {
		at := path.Join(ChartDir, name)
		var err error
		if tree, err = ignoreChart(tree, at); err != nil {
			return Tree{}, fmt.Errorf("%s: %w", at, err)
		}
	}
	return tree, nil
}

// LoadArchive reads a packed add-on. Its name must be <key>-<version>.tgz.
func LoadArchive(file string) (*Addon, error) {
	tree, err := readArchiveFile(file)
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(filepath.Base(file), ArchiveSuffix)
	a, err := Parse(name, tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return a, nil
}

func readArchiveFile(file string) (Tree, error) {
	f, err := os.Open(file)
	if err != nil {
		return Tree{}, err
	}
	defer f.Close()
	tree, err := ReadArchive(f, DefaultLimits())
	if err != nil {
		return Tree{}, fmt.Errorf("%s: %w", file, err)
	}
	return tree, nil
}
