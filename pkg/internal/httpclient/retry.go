package httpclient

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Retry says when a call is repeated: after 429, 500, 502, 503, 504 and calls without an answer, where
// repeating is harmless, which it always is after 429. The pause before each repetition is random between zero and a limit that doubles
// every time; a Retry-After replaces it.
type Retry struct {
	// Attempts is the number of calls altogether; default 4, 1 means that nothing is repeated.
	Attempts int
	// Base is the limit of the first pause, Max of any; default 500ms and 10s.
	Base, Max time.Duration
	// MaxRetryAfter is the longest Retry-After that is waited for; default 30s. Longer ones end the call.
	MaxRetryAfter time.Duration
	// Wait sleeps, or returns early with an error when the context ends. Tests replace it.
	Wait func(context.Context, time.Duration) error
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 4
	}
	if r.Base <= 0 {
		r.Base = 500 * time.Millisecond
	}
	if r.Max <= 0 {
		r.Max = 10 * time.Second
	}
	if r.MaxRetryAfter <= 0 {
		r.MaxRetryAfter = 30 * time.Second
	}
	if r.Wait == nil {
		r.Wait = wait
	}
	return r
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// next says whether to repeat after the given attempt, counted from 1, and how long to wait before. A
// pause that would outlast the context is not begun.
func (r Retry) next(ctx context.Context, request Request, response *Response, err error, attempt int) (time.Duration, bool) {
	// Who answers 429 has done nothing, so that repeating is harmless whatever the call is.
	refused := err == nil && response.Status == http.StatusTooManyRequests
	if attempt >= r.Attempts || ctx.Err() != nil || !refused && !repeatable(request) {
		return 0, false
	}
	pause := rand.N(min(r.Max, r.Base<<min(attempt-1, 16)) + 1)
	if err != nil {
		var failed *Error
		if !errors.As(err, &failed) || !failed.Temporary() || failed.Kind == Timeout && request.NotAgainAfterTimeout {
			return 0, false
		}
	} else {
		if !temporary(response.Status) {
			return 0, false
		}
		if after, ok := retryAfter(response.Header); ok {
			if after > r.MaxRetryAfter {
				return 0, false
			}
			pause = after
		}
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
		return 0, false
	}
	return pause, true
}

func repeatable(r Request) bool {
	return r.Idempotent || (r.Method != http.MethodPost && r.Method != http.MethodPatch)
}

func temporary(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func retryAfter(header http.Header) (time.Duration, bool) {
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 && seconds < 1<<31 {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at)), true
	}
	return 0, false
}
