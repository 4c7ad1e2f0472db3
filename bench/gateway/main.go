// Program gateway measures the event gateway as it is shipped, as a child process, beside bare programs that do a
// part of its work: what it costs to be safe, to verify, to map and to publish.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/bench/report"
)

// The systems under test.
const (
	floorA    = "floor A: verify, answer"
	floorB    = "floor B: and append with fsync"
	disk      = "gateway, disk"
	none      = "gateway, none"
	forwarder = "forwarder: verify, publish, answer"
)

// The targets.
const (
	ofFloorB, ofForwarder, noneOfForwarder = 0.60, 0.65, 0.85
	maxHeap, maxIdle                       = 64, 24 // MiB
	maxBinary                              = 28     // MB
	maxReady, maxReadyBacklog              = 100 * time.Millisecond, 2 * time.Second
	backlogBytes                           = 1 << 30
)

type options struct {
	binary, document, dir, connections, only string
	rounds                                   int
	window                                   time.Duration
	backlog                                  bool
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", role, err)
			os.Exit(1)
		}
		return
	}
	o := options{}
	flag.StringVar(&o.binary, "gateway", "bin/event-gateway", "the gateway's `binary`")
	flag.StringVar(&o.document, "document", "", "Markdown `file` whose section is replaced; empty prints only")
	flag.StringVar(&o.dir, "dir", "bin", "`directory` for stores, on the disk that is measured")
	flag.StringVar(&o.connections, "connections", "1,64,256", "numbers of connections, the one of the targets among them")
	flag.StringVar(&o.only, "only", "", "measure only systems whose name has this `text`, and nothing else")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, in each of which every system has its turn")
	flag.DurationVar(&o.window, "window", 3*time.Second, "how long one run takes deliveries")
	flag.BoolVar(&o.backlog, "backlog", true, "measure the start with a backlog of 1 GiB, too")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) (err error) {
	machine, err := report.Machine(o.dir)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, ".bench-gateway-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := newBench(o, dir)
	if err != nil {
		return err
	}
	load, ratios, err := measureLoad(o, b)
	if err != nil || o.only != "" {
		fmt.Println(load)
		return err
	}
	start, err := measureStart(o, b)
	if err != nil {
		return err
	}
	text := strings.Join([]string{
		"## Gateway", machine,
		"Every system is a child process. The same generator sends it deliveries of 1 KiB, each with an id and an HMAC-SHA256 of its own, one after the other over each " +
			"connection; the same target, a third process, answers at once. What is compared has the gateway's settings of Go's collector. All share the processors, nothing is pinned, and other work goes on beside them: the ratios are those of runs that " +
			"alternate, and processor time counts more than the clock. *Floor B and a publication* is not measured but reckoned from what is: floor B, and what the forwarder takes beyond floor A, one after the other on the same processors. *At the target* is the rate until the target has everything; *CPU* is user and system time of the process until then, per event.",
		load, ratios, start,
	}, "\n\n")
	fmt.Println(text)
	if o.document == "" {
		return nil
	}
	return report.Keep(o.document, "gateway", text)
}

// measureLoad lets the systems take turns at every number of connections.
func measureLoad(o options, b *bench) (load, ratios string, err error) {
	rows := [][]string{{"connections", "system", "accepted /s", "at the target /s", "p50", "p99", "CPU per event", "peak memory: anonymous", "file-backed", "heap in use"}}
	compared := [][]string{{"connections", "what", "ratio of rates", "ratio of CPU", "target"}}
	for _, text := range strings.Split(o.connections, ",") {
		connections, err := strconv.Atoi(text)
		if err != nil {
			return "", "", fmt.Errorf("-connections: %w", err)
		}
		found := map[string]runs{}
		for round := range o.rounds {
			for _, system := range []string{floorA, floorB, disk, none, forwarder} {
				if !strings.Contains(system, o.only) {
					continue
				}
				r, err := b.measure(system, connections, o.window)
				if err != nil {
					return "", "", fmt.Errorf("%s, %d connections: %w", system, connections, err)
				}
				found[system] = append(found[system], r)
				progress("%d connections, round %d, %s: %.0f/s, %.0f/s at the target, %.0f µs CPU, p99 %s, %d + %d MiB, heap %d MiB", connections, round+1, system,
					r.accepted, r.arrived, r.cpu, report.Time(r.p99), r.anonymous>>10, r.file>>10, r.heap>>20)
			}
		}
		for _, system := range []string{floorA, floorB, disk, none, forwarder} {
			if all := found[system]; len(all) > 0 {
				rows = append(rows, all.row(connections, system))
			}
		}
		if o.only == "" {
			compared = append(compared, compare(connections, found)...)
		}
	}
	return report.Table(rows...), report.Table(compared...), nil
}

// compare makes ratios round by round, so that what else the machine does meanwhile weighs on both.
func compare(connections int, found map[string]runs) [][]string {
	judged := func(met bool, target string) string {
		if connections != 64 {
			return "-"
		}
		return verdict(met, target)
	}
	n := strconv.Itoa(connections)
	accepted := func(r result) float64 { return r.accepted }
	arrived := func(r result) float64 { return r.arrived }
	used := func(r result) float64 { return r.cpu }
	disks, bare := found[disk], found[forwarder]
	parts := together(found[floorA], found[floorB], bare)
	toFloor, toForwarder, noneTo := ratio(disks, found[floorB], accepted), ratio(disks, bare, arrived), ratio(found[none], bare, accepted)
	rows := [][]string{
		{n, "floor B and a publication, of floor B", ratio(parts, found[floorB], accepted).String(), ratio(parts, found[floorB], used).String(), "-"},
		{n, "disk accepts, of floor B and a publication", ratio(disks, parts, accepted).String(), ratio(disks, parts, used).String(), "-"},
		{n, "disk accepts, of floor B", toFloor.String(), ratio(disks, found[floorB], used).String(), judged(toFloor.median() >= ofFloorB, "at least 0.60")},
		{n, "disk publishes, of the forwarder", toForwarder.String(), ratio(disks, bare, used).String(), judged(toForwarder.median() >= ofForwarder, "at least 0.65")},
		{n, "none, of the forwarder", noneTo.String(), ratio(found[none], bare, used).String(), judged(noneTo.median() >= noneOfForwarder, "at least 0.85")},
	}
	heap := int64(0)
	for _, r := range slices.Concat(disks, found[none]) {
		heap = max(heap, r.heap)
	}
	return append(rows, []string{n, "heap in use, at its peak", fmt.Sprintf("%d MiB", heap>>20), "-", verdict(heap>>20 < maxHeap, "under 64 MiB")})
}

// measureStart looks at the binary, the start and the rest.
func measureStart(o options, b *bench) (string, error) {
	rows := [][]string{{"what", "measured", "target"}}
	info, err := os.Stat(o.binary)
	if err != nil {
		return "", err
	}
	size := float64(info.Size()) / 1e6
	rows = append(rows, []string{"size of the binary", fmt.Sprintf("%.1f MB", size), verdict(size <= maxBinary, "at most 28 MB")})
	encoding := encode()
	rows = append(rows, []string{"encoding an event of 1 KiB, structured mode", fmt.Sprintf("%d ns", encoding.Nanoseconds()), verdict(encoding < time.Microsecond, "under 1 µs")})

	var ready, used report.Spread
	idle := memory{}
	for range 2*o.rounds + 1 {
		s, err := b.start(disk, filepath.Join(b.dir, "empty"))
		if err != nil {
			return "", err
		}
		ready, used = append(ready, s.ready), append(used, s.readyCPU)
		if len(ready) == 1 {
			time.Sleep(2 * time.Second)
			idle = s.memory()
		}
		if err := errors.Join(s.stop(), os.RemoveAll(filepath.Join(b.dir, "empty"))); err != nil {
			return "", err
		}
	}
	rows = append(rows,
		[]string{"from start to ready, empty store", ready.String(), verdict(ready.Median() < maxReady, "under 100 ms")},
		[]string{"CPU until ready", used.String(), "-"},
		[]string{"idle memory", fmt.Sprintf("%d MiB: %d MiB anonymous, %d MiB file-backed", (idle.anonymous+idle.file)>>10, idle.anonymous>>10, idle.file>>10),
			verdict((idle.anonymous+idle.file)>>10 < maxIdle, "under 24 MiB")})
	if !o.backlog {
		return report.Table(rows...), nil
	}
	dir := filepath.Join(b.dir, "backlog")
	events, err := b.fill(dir)
	if err != nil {
		return "", err
	}
	ready, used = nil, nil
	for range o.rounds {
		s, err := b.start(disk, dir)
		if err != nil {
			return "", err
		}
		ready, used = append(ready, s.ready), append(used, s.readyCPU)
		if err := s.kill(); err != nil {
			return "", err
		}
	}
	rows = append(rows,
		[]string{fmt.Sprintf("from start to ready, %d events of 1 KiB waiting (1 GiB), after SIGKILL", events), ready.String(), verdict(ready.Median() < maxReadyBacklog, "under 2 s")},
		[]string{"CPU until ready", used.String(), "-"})
	return report.Table(rows...), nil
}

func verdict(met bool, target string) string {
	if met {
		return target + ": met"
	}
	return target + ": **missed**"
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
