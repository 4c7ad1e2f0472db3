package addon

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonvalue"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/plainyaml"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/safeyaml"
)

// maxYAML bounds a YAML file in bytes.
const maxYAML = 1 << 20

// CheckYAML refuses what no reader of an add-on's file should be given: invalid UTF-8, a key that occurs twice
// in a mapping, and aliases that lead back to themselves or grow too large. Everything else is left to the one
// who reads it, syntax errors included.
func CheckYAML(data []byte) error {
	if len(data) > maxYAML {
		return fmt.Errorf("larger than %d bytes; make it smaller", maxYAML)
	}
	if _, plain := plainyaml.Parse(string(data)); plain {
		return nil // no alias, no key twice
	}
	return safeyaml.Check(data)
}

// readYAML reads a file that CheckYAML has nothing against, into what is empty.
func readYAML[T any](data []byte, into *T) error {
	if object, plain := plainyaml.Parse(string(data)); plain {
		var filled T
		if jsonvalue.Fill(object, &filled) {
			*into = filled
			return nil
		}
	}
	return yaml.Unmarshal(data, into)
}

// IsYAML says whether the broker or Helm reads a file of an add-on as YAML before any template is rendered.
func IsYAML(name string) bool {
	if strings.Contains("/"+name, "/templates/") {
		return false
	}
	switch path.Base(name) {
	case MetaFile, ValuesFile, "Chart.yaml", "Chart.lock", "requirements.yaml", "requirements.lock":
		return true
	}
	return false
}

// checkFiles refuses the YAML files, by check, and the packed charts that no reader should be given.
func checkFiles(tree Tree, check func([]byte) error) error {
	left := DefaultLimits().Total
	return checkFilesIn("", tree, check, maxNested, &left)
}

// maxNested bounds packed charts in packed charts.
const maxNested = 2

func checkFilesIn(at string, tree Tree, check func([]byte) error, levels int, left *int64) error {
	var problems []error
	for _, f := range tree.files {
		name := path.Join(at, f.Path)
		if IsYAML(f.Path) {
			if err := check(f.Data); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", name, err))
			}
		}
		if path.Base(path.Dir(f.Path)) != ChartsDir || path.Ext(f.Path) != ArchiveSuffix {
			continue
		}
		if levels == 0 {
			return fmt.Errorf("%s: more than %d packed charts in each other; unpack them", name, maxNested)
		}
		packed, err := ReadArchiveBytes(f.Data)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if *left -= packed.Size(); *left < 0 {
			return fmt.Errorf("%s: more than %d bytes in packed charts; remove what does not belong to the add-on", name, DefaultLimits().Total)
		}
		if err := checkFilesIn(name, packed, check, levels-1, left); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}
