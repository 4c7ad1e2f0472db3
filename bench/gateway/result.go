package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/kyma-connectors/kyma-connectors/bench/report"
)

// result is what one run showed.
type result struct {
	accepted, arrived float64 // events per second: acknowledged, and at the target
	cpu               float64 // microseconds per event
	p50, p99          time.Duration
	memory
	heap int64 // bytes in use; 0 where the system does not tell
}

type runs []result

func (rs runs) row(connections int, system string) []string {
	var p50, p99 report.Spread
	anonymous, file, heap := 0, 0, int64(0)
	for _, r := range rs {
		p50, p99 = append(p50, r.p50), append(p99, r.p99)
		anonymous, file, heap = max(anonymous, r.anonymous), max(file, r.file), max(heap, r.heap)
	}
	arrived, inUse := "-", "-"
	if publishes(system) {
		arrived = whole(rs, func(r result) float64 { return r.arrived })
	}
	if heap > 0 {
		inUse = fmt.Sprintf("%d MiB", heap>>20)
	}
	return []string{
		strconv.Itoa(connections), system, whole(rs, func(r result) float64 { return r.accepted }), arrived, p50.String(), p99.String(),
		whole(rs, func(r result) float64 { return r.cpu }) + " µs", fmt.Sprintf("%d MiB", anonymous>>10), fmt.Sprintf("%d MiB", file>>10), inUse,
	}
}

// numbers are shown as "median (lowest to highest)".
type numbers []float64

func (n numbers) median() float64 {
	if len(n) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(n))
	if len(sorted)%2 == 1 {
		return sorted[len(sorted)/2]
	}
	return (sorted[len(sorted)/2-1] + sorted[len(sorted)/2]) / 2
}

// String shows two digits after the point.
func (n numbers) String() string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", n.median(), slices.Min(n), slices.Max(n))
}

func whole(rs runs, pick func(result) float64) string {
	var n numbers
	for _, r := range rs {
		n = append(n, pick(r))
	}
	return fmt.Sprintf("%.0f (%.0f to %.0f)", n.median(), slices.Min(n), slices.Max(n))
}

// ratio compares the runs of each round.
func ratio(a, b runs, pick func(result) float64) (n numbers) {
	for i := range a {
		n = append(n, pick(a[i])/pick(b[i]))
	}
	return n
}

// together reckons, round by round, what a program would do that appends as floor B does and publishes as the forwarder
// does, and nothing else, where all share the processors: the times for one event are added.
func together(floorA, floorB, forwarder runs) (sum runs) {
	for i := range forwarder {
		a, b, f := floorA[i], floorB[i], forwarder[i]
		sum = append(sum, result{accepted: 1 / (1/b.accepted + 1/f.accepted - 1/a.accepted), cpu: b.cpu + f.cpu - a.cpu})
	}
	return sum
}
