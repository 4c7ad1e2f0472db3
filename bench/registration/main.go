// Program registration measures the registration Job as it is shipped: the binary as a child process, against a
// system and a cluster that answer each call after 20 ms.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/bench/report"
)

const (
	latency  = 20 * time.Millisecond
	parallel = 8
	// The targets: time against the ideal, and memory in MiB.
	maxRatio, maxMemory = 1.3, 64
	// metadata is the size of a large $metadata.
	metadata = 5 << 20
)

type options struct {
	job, document string
	rounds        int
	trace, memory bool
}

func main() {
	o := options{}
	flag.StringVar(&o.job, "job", "bin/registration-job", "the registration Job's `binary`")
	flag.StringVar(&o.document, "document", "", "Markdown `file` whose section is replaced; empty prints only")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds with 50 APIs; those with 1000 are half as many")
	flag.BoolVar(&o.trace, "trace", false, "print the calls of one run with 50 APIs at each backend, and end")
	flag.BoolVar(&o.memory, "memory", false, "measure memory only, and end")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.trace {
		return errors.Join(trace(o, application), trace(o, registry))
	}
	if o.memory {
		memory, err := measureMemory(o)
		fmt.Println(memory)
		return err
	}
	machine, err := report.Machine(".")
	if err != nil {
		return err
	}
	speed, again, err := measureSpeed(o)
	if err != nil {
		return err
	}
	memory, err := measureMemory(o)
	if err != nil {
		return err
	}
	text := strings.Join([]string{
		"## Registration", machine,
		fmt.Sprintf("`registration-job apply --parallel %d` as a child process, from its start to its end. Each call to the system and to Kyma takes %s. "+
			"*Serial* makes the same calls one after the other, with nothing between. *Ideal* is %s for every %d probes begun, plus the writes that the backend forces to be serial: one for all with the "+
			"Application resource, one for each API with the Application Registry, and one more where a state and a status are kept, which tell of those. Rounds alternate, after one that is not counted.", parallel, report.Time(latency), report.Time(latency), parallel),
		speed,
		"A second run, with nothing changed:", again,
		fmt.Sprintf("Peak resident memory of the process, Application resource; target %d MiB:", maxMemory), memory,
	}, "\n\n")
	fmt.Println(text)
	if o.document == "" {
		return nil
	}
	return report.Keep(o.document, "registration", text)
}

// outcome is what one run of the Job did.
type outcome struct {
	took   time.Duration
	memory int // KiB
	writes int
	calls  []call
}

func (o outcome) count(system bool) (n int) {
	for _, c := range o.calls {
		if c.system == system {
			n++
		}
	}
	return n
}

// apply runs the Job to its end and checks what it says.
func (w *world) apply(o options, wantRegistered, wantUnchanged int) (outcome, error) {
	w.take()
	command := exec.Command(o.job, append([]string{"apply", "--parallel", strconv.Itoa(parallel), "--timeout", "30m"}, w.args...)...)
	command.Env = append(os.Environ(), "SSL_CERT_FILE="+w.path("ca.pem"))
	var out, logged bytes.Buffer
	command.Stdout, command.Stderr = &out, &logged
	begin := time.Now()
	if err := command.Start(); err != nil {
		return outcome{}, err
	}
	peak := report.WatchMemory(command.Process.Pid)
	err := command.Wait()
	result := outcome{took: time.Since(begin), memory: peak(), calls: w.take()}
	if err != nil {
		return result, fmt.Errorf("%w: %s%s", err, logged.Bytes(), tail(out.Bytes()))
	}
	var said struct {
		Writes int
		APIs   struct{ Registered, Unchanged int }
	}
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		return result, fmt.Errorf("the report: %w", err)
	}
	if said.APIs.Registered != wantRegistered || said.APIs.Unchanged != wantUnchanged {
		return result, fmt.Errorf("registered %d, unchanged %d; want %d and %d", said.APIs.Registered, said.APIs.Unchanged, wantRegistered, wantUnchanged)
	}
	result.writes = said.Writes
	return result, nil
}

func tail(text []byte) []byte { return text[max(0, len(text)-2000):] }

// measureSpeed compares a first run with the same calls in a row, and looks at a second one.
func measureSpeed(o options) (speed, again string, err error) {
	first := [][]string{{"backend", "state and status", "APIs", "calls", "serial", "apply", "serial / apply", "ideal", "apply / ideal", "target"}}
	second := [][]string{{"backend", "APIs", "calls to the system per API", "calls to Kyma", "writes", "time", "target"}}
	for _, apis := range []int{50, 1000} {
		rounds := o.rounds
		if apis > 50 {
			rounds = (rounds + 1) / 2
		}
		for _, s := range []scenario{{backend: application}, {backend: application, keeps: true}, {backend: registry, keeps: true}} {
			s.apis, s.latency, s.metadata = apis, latency, 1000
			backend := s.backend
			var serial, ours, unchanged report.Spread
			var calls []call
			var last outcome
			for round := range rounds + 1 {
				w, err := newWorld(s)
				if err != nil {
					return "", "", err
				}
				made, err := w.apply(o, apis, 0)
				if err == nil {
					last, err = w.apply(o, 0, apis)
				}
				w.close()
				if err != nil {
					return "", "", fmt.Errorf("%s, %d APIs: %w", backend, apis, err)
				}
				if round == 0 {
					continue // to warm up
				}
				ours, unchanged, calls = append(ours, made.took), append(unchanged, last.took), made.calls
				took, err := inARow(len(calls))
				if err != nil {
					return "", "", err
				}
				serial = append(serial, took)
				progress("%s, %d APIs, round %d: apply %s, serial %s", backend, apis, round, report.Time(made.took), report.Time(took))
			}
			forced := 1
			if backend == registry {
				forced = apis
			}
			kept := "no"
			if s.keeps {
				forced, kept = forced+1, "kept"
			}
			ideal := time.Duration((apis+parallel-1)/parallel+forced) * latency
			ratio := float64(ours.Median()) / float64(ideal)
			first = append(first, []string{backend, kept, strconv.Itoa(apis), strconv.Itoa(len(calls)), serial.String(), ours.String(),
				fmt.Sprintf("%.1f", float64(serial.Median())/float64(ours.Median())), report.Time(ideal), fmt.Sprintf("%.2f", ratio), verdict(ratio <= maxRatio, "at most 1.3")})
			if !s.keeps {
				continue
			}
			perAPI := float64(last.count(true)) / float64(apis)
			second = append(second, []string{backend, strconv.Itoa(apis), fmt.Sprintf("%.2f", perAPI), strconv.Itoa(last.count(false)), strconv.Itoa(last.writes),
				unchanged.String(), verdict(perAPI <= 1 && last.writes == 0 && writes(last.calls) == 0, "at most 1 call, no write")})
		}
	}
	return report.Table(first...), report.Table(second...), nil
}

func writes(calls []call) (n int) {
	for _, c := range calls {
		if c.method != http.MethodGet {
			n++
		}
	}
	return n
}

func verdict(met bool, target string) string {
	if met {
		return target + ": met"
	}
	return target + ": **missed**"
}

// inARow makes that many calls one after the other, each of which takes the latency.
func inARow(calls int) (time.Duration, error) {
	server := httptest.NewTLSServer(serveOData(scenario{latency: latency}))
	defer server.Close()
	client := server.Client()
	begin := time.Now()
	for range calls {
		request, err := http.NewRequest(http.MethodGet, server.URL+"/", nil)
		if err != nil {
			return 0, err
		}
		request.SetBasicAuth("bench", password)
		answer, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

// measureMemory looks at large descriptions and at many APIs.
func measureMemory(o options) (string, error) {
	rows := [][]string{{"APIs", "`$metadata` of each", "what is asked for", "first run", "second run", "target"}}
	for _, s := range []scenario{
		{apis: 1000, metadata: metadata},
		{apis: 1000, metadata: metadata, probe: true},
		{apis: 10000, metadata: metadata, dry: true}, // an Application cannot hold that many
	} {
		s.backend, s.keeps = application, true
		w, err := newWorld(s)
		if err != nil {
			return "", err
		}
		if s.dry {
			w.args = append(w.args, "--dry-run")
		}
		first, err := w.apply(o, s.apis, 0)
		second := first
		if err == nil && !s.dry {
			second, err = w.apply(o, 0, s.apis)
		}
		w.close()
		if err != nil {
			return "", fmt.Errorf("memory, %d APIs: %w", s.apis, err)
		}
		asked := "the service document"
		if s.probe {
			asked = "`$metadata`"
		}
		if s.dry {
			asked += ", dry run"
		}
		progress("memory, %d APIs, %s: %d MiB in %s, %d MiB in %s", s.apis, asked, first.memory>>10, report.Time(first.took), second.memory>>10, report.Time(second.took))
		rows = append(rows, []string{strconv.Itoa(s.apis), fmt.Sprintf("%d MiB", s.metadata>>20), asked,
			fmt.Sprintf("%d MiB", first.memory>>10), fmt.Sprintf("%d MiB", second.memory>>10), verdict(max(first.memory, second.memory) < maxMemory<<10, fmt.Sprintf("under %d MiB", maxMemory))})
	}
	return report.Table(rows...), nil
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// trace shows what one run does when.
func trace(o options, backend string) error {
	w, err := newWorld(scenario{backend: backend, apis: 50, latency: latency, metadata: 1000, keeps: true})
	if err != nil {
		return err
	}
	defer w.close()
	made, err := w.apply(o, 50, 0)
	if err != nil {
		return err
	}
	slices.SortFunc(made.calls, func(a, b call) int { return int(a.begin - b.begin) })
	for _, c := range made.calls {
		fmt.Printf("%8s %8s  %-6s %s\n", c.begin.Round(time.Millisecond), c.end.Round(time.Millisecond), c.method, c.path)
	}
	fmt.Printf("%s: %s in all, %d MiB\n\n", backend, made.took.Round(time.Millisecond), made.memory>>10)
	return nil
}
