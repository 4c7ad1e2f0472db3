// Program addonctl measures addonctl as it is shipped, as a child process, on a generated repository: everything that
// a release does before it is built, beside what Helm's SDK takes for the same charts, and what reading and compressing
// takes alone.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/bench/report"
)

// The targets: how many times as fast as Helm, the part of the first run that the second may take, and MiB.
const (
	timesHelm, ofCold = 3.0, 0.10
	maxMemory         = 256
)

// The systems under test.
const (
	cold      = "addonctl, cold"
	warm      = "addonctl, warm"
	helmOnce  = "Helm SDK, serial"
	helmPlans = "Helm SDK, serial, lint of each plan"
	floor     = "floor: read, gzip"
)

type options struct {
	binary, document string
	addons, rounds   int
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role, os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", role, err)
			os.Exit(1)
		}
		return
	}
	o := options{}
	flag.StringVar(&o.binary, "addonctl", "bin/addonctl", "addonctl's `binary`")
	flag.StringVar(&o.document, "document", "", "Markdown `file` whose section is replaced; empty prints only")
	flag.IntVar(&o.addons, "addons", 50, "add-ons in the repository, each with three plans")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, in each of which every system has its turn")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) (err error) {
	machine, err := report.Machine(".")
	if err != nil {
		return err
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-addonctl-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, dir: dir, repository: filepath.Join(dir, "repository")}
	if err := b.generate(); err != nil {
		return err
	}
	found := map[string]*runs{}
	systems := []string{cold, warm, helmOnce, helmPlans, floor} // warm follows cold, whose cache it uses
	for round := range o.rounds {
		for _, system := range systems {
			r, err := b.measure(system)
			if err != nil {
				return fmt.Errorf("%s: %w", system, err)
			}
			if found[system] == nil {
				found[system] = &runs{}
			}
			found[system].add(r)
			progress("round %d: %s: %s, processor %s, %d MiB", round+1, system, report.Time(r.took), report.Time(r.cpu), r.memory>>10)
		}
	}
	text := strings.Join([]string{
		"## addonctl", machine,
		fmt.Sprintf("%d add-ons with 3 plans each, from `addonctl new`. *addonctl* is `lint` with every suite, `package` of all and `index`, three child processes one after the other; "+
			"*cold* without a cache (it fills one), *warm* with that of the run before. *Helm SDK* is `action.Lint` and `action.Package` of each chart in one process, one after the other: "+
			"Helm renders each chart once, with its own values, and lets required ones be missing; with *lint of each plan* it does so with the values of each plan. addonctl renders each plan with all its fields for four clusters, once more with the required ones, and once for Helm's linter, and judges what comes out. *Floor* reads the files of each add-on and compresses them. "+
			"Rounds alternate; other work goes on beside them, so that ratios of processor time say more than those of the clock.", o.addons),
		table(systems, found),
		ratios(found),
	}, "\n\n")
	fmt.Println(text)
	if o.document == "" {
		return nil
	}
	return report.Keep(o.document, "addonctl", text)
}

// outcome is what one run took.
type outcome struct {
	took, cpu time.Duration
	memory    int // KiB
}

func (o *outcome) add(other outcome) {
	o.took, o.cpu, o.memory = o.took+other.took, o.cpu+other.cpu, max(o.memory, other.memory)
}

// runs are those of one system.
type runs struct {
	took, cpu report.Spread
	memory    int
}

func (r *runs) add(o outcome) {
	r.took, r.cpu, r.memory = append(r.took, o.took), append(r.cpu, o.cpu), max(r.memory, o.memory)
}

func table(systems []string, found map[string]*runs) string {
	rows := [][]string{{"what", "time", "processor time", "peak memory"}}
	for _, system := range systems {
		r := found[system]
		rows = append(rows, []string{system, r.took.String(), r.cpu.String(), fmt.Sprintf("%d MiB", r.memory>>10)})
	}
	return report.Table(rows...)
}

func ratios(found map[string]*runs) string {
	row := func(name, over, under string, verdict func(float64) string) []string {
		byClock := paired(found[over].took, found[under].took)
		byCPU := paired(found[over].cpu, found[under].cpu)
		return []string{name, spread(byClock), spread(byCPU), verdict(median(byClock))}
	}
	none := func(float64) string { return "" }
	memory := max(found[cold].memory, found[warm].memory)
	return report.Table(
		[]string{"ratio, of each round", "time", "processor time", "target (time)"},
		row("Helm SDK / cold", helmOnce, cold, func(r float64) string { return met(r >= timesHelm, fmt.Sprintf("at least %.0f", timesHelm)) }),
		row("Helm SDK, each plan / cold", helmPlans, cold, none),
		row("warm / cold", warm, cold, func(r float64) string { return met(r < ofCold, fmt.Sprintf("under %.2f", ofCold)) }),
		row("cold / floor", cold, floor, none),
		[]string{"memory of addonctl", fmt.Sprintf("%d MiB", memory>>10), "", met(memory < maxMemory<<10, fmt.Sprintf("under %d MiB", maxMemory))},
	)
}

// paired are the ratios of runs in the same round.
func paired(over, under report.Spread) []float64 {
	var out []float64
	for i := range over {
		out = append(out, float64(over[i])/float64(under[i]))
	}
	return out
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func spread(values []float64) string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(values), slices.Min(values), slices.Max(values))
}

func met(ok bool, target string) string {
	if ok {
		return target + ": met"
	}
	return target + ": **missed**"
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
