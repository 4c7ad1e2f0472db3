package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// ConfigFile is the file at the root of a repository that holds the options of every run.
const ConfigFile = ".addonctl.yaml"

// Config is the part lint of ConfigFile.
type Config struct {
	// Suites to run; all where it is empty.
	Suites []Suite `json:"suites,omitempty"`
	// FailOn is the least bad finding that fails a run; empty means a warning.
	FailOn Severity `json:"failOn,omitempty"`
	// Disable lists rules that do not run, with the reason of each.
	Disable map[string]string `json:"disable,omitempty"`
	// Ignore lists exceptions for files that take no comments.
	Ignore []Exception `json:"ignore,omitempty"`
}

// Exception takes a file out of a rule.
type Exception struct {
	Rule string `json:"rule"`
	// Path is relative to the repository, and may be a pattern with * and ?, which stop at slashes.
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// ReadConfig reads the configuration of a repository. Without a file, it is empty.
func ReadConfig(repo *addon.Repository) (*Config, error) {
	data, err := os.ReadFile(filepath.Join(repo.Dir(), ConfigFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &Config{}, nil
	}
	if err != nil {
		return nil, err
	}
	var file struct {
		Lint Config `json:"lint"`
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%s: larger than %d bytes", ConfigFile, maxDocument)
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", ConfigFile, err)
	}
	return &file.Lint, file.Lint.check()
}

func (c *Config) check() error {
	if c.FailOn != "" && !slices.Contains(Severities(), c.FailOn) {
		return fmt.Errorf("%s: lint.failOn: %q is none of %v", ConfigFile, c.FailOn, Severities())
	}
	for id, reason := range c.Disable {
		switch {
		case !known(id):
			return fmt.Errorf("%s: lint.disable: there is no rule %s; addonctl lint --list shows them", ConfigFile, id)
		case reason == "":
			return fmt.Errorf("%s: lint.disable.%s: give the reason", ConfigFile, id)
		}
	}
	return nil
}

// Apply adds the configuration to options: the command line adds to what is disabled, and decides on suites.
func (c *Config) Apply(repo *addon.Repository, o *Options) {
	if len(o.Suites) == 0 {
		o.Suites = c.Suites
	}
	for id := range c.Disable {
		o.Disable = append(o.Disable, id)
	}
	slices.Sort(o.Disable)
	data, _ := os.ReadFile(filepath.Join(repo.Dir(), ConfigFile)) // for the lines only
	d := newDocument(ConfigFile, data, true)
	for i, e := range c.Ignore {
		o.Suppressions = append(o.Suppressions, &Suppression{
			Rules: []string{e.Rule}, Reason: e.Reason, Path: e.Path, file: ConfigFile, at: d.line("lint", "ignore", strconv.Itoa(i)),
		})
	}
}
