// Package report is what the benchmarks share: how numbers and the machine are shown, and the document that keeps
// them.
package report

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Spread is a set of measured times.
type Spread []time.Duration

// Median is the one in the middle, or the mean of the two; 0 where there is none.
func (s Spread) Median() time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	switch n := len(sorted); {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	default:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
}

// String is "median (lowest to highest)".
func (s Spread) String() string {
	if len(s) == 0 {
		return "-"
	}
	return fmt.Sprintf("%s (%s to %s)", Time(s.Median()), Time(slices.Min(s)), Time(slices.Max(s)))
}

// Time shows a time in three digits.
func Time(d time.Duration) string {
	switch {
	case d >= 100*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.0f µs", float64(d.Nanoseconds())/1000)
}

// Table renders a Markdown table; the first row is its head.
func Table(rows ...[]string) string {
	var b strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString("|" + strings.Repeat(" --- |", len(row)) + "\n")
		}
	}
	return b.String()
}

// Machine describes the machine in one line: processor, memory, system, Go, and how long an fsync takes in dir.
func Machine(dir string) (string, error) {
	fsync, err := Fsync(dir)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d × %s, %s memory, %s, %s; fsync %s", runtime.NumCPU(), cmp.Or(field("/proc/cpuinfo", "model name"), runtime.GOARCH),
		memory(), system(), runtime.Version(), fsync), nil
}

// Fsync measures appends of 4 KiB that reach the disk.
func Fsync(dir string) (Spread, error) {
	file, err := os.CreateTemp(dir, ".fsync-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = errors.Join(file.Close(), os.Remove(file.Name())) }()
	block := make([]byte, 4096)
	var times Spread
	for range 50 {
		begin := time.Now()
		if _, err := file.Write(block); err != nil {
			return nil, err
		}
		if err := file.Sync(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(begin))
	}
	return times, nil
}

// field is the first value of a name in a file of lines "name : value"; empty where there is none.
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func memory() string {
	kib := 0
	if _, err := fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%d kB", &kib); err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d GiB", (kib+1<<19)>>20)
}

func system() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return runtime.GOOS + " " + strings.TrimSpace(string(release))
}

const head = `# Benchmarks

Written by ` + "`make bench`" + `, which measures on the machine that it runs on: compare ratios, not times. Times are medians, with the lowest and the highest.
`

// Keep replaces one section of the document, between its markers, and leaves the others as they are. A section
// that is not there yet comes last, and so does a document.
func Keep(document, section, text string) error {
	data, err := os.ReadFile(document)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = []byte(head), os.MkdirAll(filepath.Dir(document), 0o755)
	}
	if err != nil {
		return err
	}
	begin, end := "<!-- begin "+section+" -->\n", "<!-- end "+section+" -->\n"
	block := begin + strings.TrimSpace(text) + "\n" + end
	before, rest, found := strings.Cut(string(data), begin)
	if !found {
		return os.WriteFile(document, []byte(string(data)+"\n"+block), 0o644)
	}
	_, after, found := strings.Cut(rest, end)
	if !found {
		return fmt.Errorf("%s: the section %s has no end", document, section)
	}
	return os.WriteFile(document, []byte(before+block+after), 0o644)
}
