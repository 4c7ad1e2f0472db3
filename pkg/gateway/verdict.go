package gateway

import (
	"net/http"
	"strconv"
	"time"
)

// verdict is what a status says about an event.
type verdict struct {
	reason    Reason
	permanent bool
}

// verdicts are those statuses that are not as their class. Permanent is what is wrong with the event; what
// is wrong with the way to the target (401, 403, 404) is repeated until somebody mends it, and 404 is also
// what Kyma 2.4 to 2.8 answers while its stream is missing.
var verdicts = map[int]verdict{
	http.StatusUnauthorized:          {ReasonUnauthorized, false},
	http.StatusForbidden:             {ReasonUnauthorized, false},
	http.StatusNotFound:              {ReasonNotFound, false},
	http.StatusProxyAuthRequired:     {ReasonMisconfigured, false},
	http.StatusRequestTimeout:        {ReasonTimeout, false},
	http.StatusConflict:              {ReasonUnavailable, false},
	http.StatusTooEarly:              {ReasonThrottled, false},
	http.StatusTooManyRequests:       {ReasonThrottled, false},
	http.StatusRequestEntityTooLarge: {ReasonTooLarge, true},
	http.StatusGatewayTimeout:        {ReasonTimeout, false},
	http.StatusInsufficientStorage:   {ReasonFull, false},
}

// JudgeAnswer is what the answer of a target that did not take an event says: whether to repeat it, why,
// and when. Who asked adds the detail.
func JudgeAnswer(status int, header http.Header) *PublishError {
	v, ok := verdicts[status]
	switch {
	case ok:
	case status >= 500:
		v = verdict{ReasonUnavailable, false}
	case status >= 400:
		v = verdict{ReasonInvalid, true}
	default: // redirects, and what no target should answer
		v = verdict{ReasonMisconfigured, false}
	}
	return &PublishError{Reason: v.reason, Permanent: v.permanent, RetryAfter: retryAfter(header, time.Now())}
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return max(0, min(time.Duration(seconds), 24*60*60)*time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(at.Sub(now), 24*time.Hour))
	}
	return 0
}
