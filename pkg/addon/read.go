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
	var files []File
	for _, f := range tree.files {
		if !strings.HasPrefix(f.Path, ChartDir+"/") || strings.Count(f.Path, "/") < 2 {
			files = append(files, f)
		}
	}
	for _, name := range charts {
		at := path.Join(ChartDir, name)
		chart, err := ignoreChart(tree.Sub(at))
		if err != nil {
			return Tree{}, fmt.Errorf("%s: %w", at, err)
		}
		for _, f := range chart.files {
			files = append(files, File{Path: path.Join(at, f.Path), Data: f.Data, Executable: f.Executable})
		}
	}
	return NewTree(files)
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
