package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// roleVariable makes this program one of the systems that it measures.
const roleVariable = "BENCH_ADDONCTL_ROLE"

func play(role, repository, out string) error {
	log.SetOutput(io.Discard) // Helm tells of every link
	repo, err := addon.OpenRepository(repository)
	if err != nil {
		return err
	}
	names, err := repo.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		switch role {
		case helmOnce:
			err = withHelm(repository, name, out, false)
		case helmPlans:
			err = withHelm(repository, name, out, true)
		case floor:
			err = readAndCompress(repo, name, out)
		default:
			err = fmt.Errorf("no role %q", role)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// withHelm lints and packs the chart of an add-on, with the values of each plan or with its own.
func withHelm(repository, name, out string, plans bool) error {
	key, _, err := addon.SplitName(name)
	if err != nil {
		return err
	}
	chart := filepath.Join(repository, addon.ChartsDir, key)
	values := []map[string]any{nil}
	if plans {
		if values, err = planValues(filepath.Join(repository, addon.AddonsDir, name, addon.PlansDir)); err != nil {
			return err
		}
	}
	for _, v := range values {
		result := action.NewLint().Run([]string{chart}, v)
		for _, err := range result.Errors {
			if !strings.Contains(err.Error(), "is required") {
				return err
			}
		}
	}
	pack := action.NewPackage()
	pack.Destination = out
	_, err = pack.Run(chart, nil)
	return err
}

func planValues(dir string) ([]map[string]any, error) {
	plans, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	for _, p := range plans {
		data, err := os.ReadFile(filepath.Join(dir, p.Name(), addon.ValuesFile))
		if err != nil {
			return nil, err
		}
		var values map[string]any
		if err := yaml.Unmarshal(data, &values); err != nil {
			return nil, err
		}
		out = append(out, values)
	}
	return out, nil
}

// readAndCompress is what nobody can do without.
func readAndCompress(repo *addon.Repository, name, out string) (err error) {
	tree, err := repo.Read(name)
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(out, name+".gz"))
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	zipped, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err != nil {
		return err
	}
	for _, data := range tree.All() {
		if _, err := zipped.Write(data); err != nil {
			return err
		}
	}
	return zipped.Close()
}
