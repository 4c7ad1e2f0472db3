package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestTogetherAddsTheTimesOfOneEvent: 10 ms to answer, 20 ms to append besides, 25 ms to publish besides.
func TestTogetherAddsTheTimesOfOneEvent(t *testing.T) {
	t.Parallel()
	sum := together(runs{{accepted: 100, cpu: 5}}, runs{{accepted: 50, cpu: 12}}, runs{{accepted: 40, cpu: 15}})
	assert.InDelta(t, 1/0.035, sum[0].accepted, 1e-9, "20 ms, and the 15 that a publication takes")
	assert.InDelta(t, 22, sum[0].cpu, 1e-9)
}
