package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/kyma-connectors/kyma-connectors/bench/report"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/scaffold"
)

type bench struct {
	options
	dir, repository string
	names           []string
}

// generate makes the repository: connectors for many systems, each with a third plan.
func (b *bench) generate() error {
	if err := os.MkdirAll(filepath.Join(b.repository, addon.AddonsDir), 0o755); err != nil {
		return err
	}
	var systems []scaffold.Options
	for i := range b.addons {
		systems = append(systems, scaffold.Options{System: fmt.Sprintf("system-%03d", i)})
	}
	all, err := scaffold.WriteAll(b.repository, systems)
	if err != nil {
		return err
	}
	for _, made := range all {
		if err := addPlan(filepath.Join(b.repository, addon.AddonsDir, made.Addon, addon.PlansDir)); err != nil {
			return err
		}
		b.names = append(b.names, made.Addon)
	}
	progress("generated %d add-ons", b.addons)
	if _, err := b.child(b.binary, nil, "lint", "--no-cache", "--repo", b.repository); err != nil {
		return fmt.Errorf("the generated repository is not clean: %w", err)
	}
	return nil
}

// addPlan adds a plan beside the default one, with values of its own.
func addPlan(plans string) error {
	const name = "small"
	from, to := filepath.Join(plans, "default"), filepath.Join(plans, name)
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	edit := func(file string, change func(line string) string) error {
		data, err := os.ReadFile(filepath.Join(to, file))
		if err != nil {
			return err
		}
		var out strings.Builder
		for line := range strings.Lines(string(data)) {
			out.WriteString(change(line))
		}
		return os.WriteFile(filepath.Join(to, file), []byte(out.String()), 0o644)
	}
	err := edit(addon.MetaFile, func(line string) string {
		switch key, _, _ := strings.Cut(line, ":"); key {
		case "id":
			return "id: " + uuid.NewString() + "\n"
		case "name":
			return "name: " + name + "\n"
		case "displayName":
			return "displayName: Small\n"
		}
		return line
	})
	if err != nil {
		return err
	}
	values, err := os.OpenFile(filepath.Join(to, addon.ValuesFile), os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = values.WriteString("networkPolicy:\n  enabled: true\n")
	if closed := values.Close(); err == nil {
		err = closed
	}
	return err
}

// measure runs one system once.
func (b *bench) measure(system string) (outcome, error) {
	cache, out := filepath.Join(b.dir, "cache"), filepath.Join(b.dir, "out")
	if err := os.RemoveAll(out); err != nil {
		return outcome{}, err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return outcome{}, err
	}
	switch system {
	case cold:
		if err := os.RemoveAll(cache); err != nil {
			return outcome{}, err
		}
		fallthrough
	case warm:
		var all outcome
		for _, args := range [][]string{{"lint"}, append([]string{"package", "--out", out}, b.names...), {"index"}} {
			o, err := b.child(b.binary, []string{"XDG_CACHE_HOME=" + cache}, append(args, "--repo", b.repository)...)
			if err != nil {
				return all, err
			}
			all.add(o)
		}
		return all, nil
	}
	self, err := os.Executable()
	if err != nil {
		return outcome{}, err
	}
	return b.child(self, []string{roleVariable + "=" + system}, b.repository, out)
}

// child runs a program to its end.
func (b *bench) child(program string, env []string, args ...string) (outcome, error) {
	command := exec.Command(program, args...)
	command.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	command.Stdout = &said
	begin := time.Now()
	if err := command.Start(); err != nil {
		return outcome{}, err
	}
	peak := report.WatchMemory(command.Process.Pid)
	err := command.Wait()
	o := outcome{took: time.Since(begin), memory: peak()}
	if err != nil {
		return o, fmt.Errorf("%s: %w: %s", strings.Join(args[:1], " "), err, said.Bytes()[:min(said.Len(), 3000)])
	}
	o.cpu = command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	return o, nil
}
