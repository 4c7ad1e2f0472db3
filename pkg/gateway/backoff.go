package gateway

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before something is repeated: full jitter, so that many who failed
// together do not come again together.
type Backoff struct {
	// Base is the first upper bound; it doubles with every failure up to Max.
	Base, Max time.Duration
	// Full replaces Base where the target has no space: that clears only when others read.
	Full time.Duration
}

// DefaultBackoff waits up to half a second after the first failure and up to a minute in the end.
func DefaultBackoff() Backoff {
	return Backoff{Base: 500 * time.Millisecond, Max: time.Minute, Full: 30 * time.Second}
}

// maxRetryAfter bounds what a target can ask for.
const maxRetryAfter = time.Hour

// Wait is the time to wait after the given number of failures, the last one being err.
func (b Backoff) Wait(failures int, err *PublishError) time.Duration {
	base, limit := b.Base, b.Max
	if err.Reason == ReasonFull {
		base, limit = b.Full, max(b.Max, 10*b.Full)
	}
	bound := limit
	if failures < 30 && base<<max(failures-1, 0) < limit {
		bound = base << max(failures-1, 0)
	}
	wait := time.Duration(rand.Int64N(int64(bound) + 1))
	if err.Reason == ReasonFull {
		wait = bound/2 + wait/2 // never at once
	}
	return max(wait, min(err.RetryAfter, maxRetryAfter))
}

// rest is the wait between two publications that find out whether a sink is back that fails as a whole. It says nothing about
// an event, and does not grow beyond maxRest (Full, where the sink has no space), unless the sink asks for more.
func (b Backoff) rest(failures int, err *PublishError) time.Duration {
	if err.Reason == ReasonFull {
		return b.Wait(1, err)
	}
	b.Base, b.Max = min(b.Base, maxRest), min(b.Max, maxRest)
	return b.Wait(failures, err)
}
