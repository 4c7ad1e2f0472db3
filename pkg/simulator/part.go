package simulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxCalls bounds the calls that a simulator remembers.
const maxCalls = 20_000

// Call is one request that a simulator was asked.
type Call struct {
	// Part is the part of the simulator, such as PartRegistry.
	Part   string
	Method string
	Path   string
	// Status is what was answered; 0 if the connection was cut.
	Status int
}

// callLog remembers the latest calls.
type callLog struct {
	mu    sync.Mutex
	calls []Call
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.calls) >= maxCalls {
		l.calls = append(l.calls[:0], l.calls[maxCalls/2:]...)
	}
	l.calls = append(l.calls, c)
}

func (l *callLog) list(part string) []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []Call{}
	for _, c := range l.calls {
		if part == "" || c.Part == part {
			list = append(list, c)
		}
	}
	return list
}

// part is one part of a simulator: its faults come first, its calls are remembered.
type part struct {
	name    string
	handler http.Handler
	faults  *Faults
	calls   *callLog
	latency time.Duration
	after   func(Call) // may be nil
}

// ServeHTTP implements http.Handler.
func (p part) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == faultsPath || strings.HasPrefix(r.URL.Path, faultsPath+"/") {
		p.faults.ServeHTTP(w, r)
		return
	}
	path, status := r.URL.Path, &statusWriter{ResponseWriter: w}
	defer func() {
		call := Call{Part: p.name, Method: r.Method, Path: path, Status: status.code()}
		p.calls.add(call)
		if p.after != nil {
			p.after(call)
		}
	}()
	fault := p.faults.next(p.name, r)
	latency := p.latency
	if fault != nil {
		latency += fault.Latency
	}
	if !pause(r, latency) {
		cut(status) // to return would be to answer 200, with nothing
		return
	}
	if fault == nil {
		p.handler.ServeHTTP(status, r)
		return
	}
	fault.serve(status, r, p.handler)
}

// serve lets the fault happen.
func (f *Fault) serve(w *statusWriter, r *http.Request, handler http.Handler) {
	switch {
	case f.Cut == CutBefore:
		cut(w)
		return
	case f.Cut == "" && f.Status == 0 && !f.LoginPage && f.Truncate == 0 && f.Drip == 0:
		handler.ServeHTTP(w, r) // latency only
		return
	}
	answer := &bufferedAnswer{header: http.Header{}}
	switch {
	case f.Status != 0:
		f.writeStatus(answer)
	case f.LoginPage:
		answer.header.Set("Content-Type", "text/html; charset=utf-8")
		answer.body.WriteString(loginPage)
	default:
		handler.ServeHTTP(answer, r)
	}
	if f.Cut == CutAfter {
		cut(w)
		return
	}
	f.send(w, r, answer)
}

const loginPage = `<!DOCTYPE html>
<html><head><title>Sign in</title></head>
<body><form method="post" action="/login"><input name="user"><input name="password" type="password"></form></body></html>
`

func (f *Fault) writeStatus(answer *bufferedAnswer) {
	if f.Body != "" {
		contentType := f.ContentType
		if contentType == "" {
			contentType = "text/plain; charset=utf-8"
		}
		answer.header.Set("Content-Type", contentType)
	}
	if f.RetryAfter > 0 {
		answer.header.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	answer.status = f.Status
	answer.body.WriteString(f.Body)
}

// send hands out a finished answer, truncated or slowly if the fault says so.
func (f *Fault) send(w *statusWriter, r *http.Request, answer *bufferedAnswer) {
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	body := answer.body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if f.Truncate > 0 && f.Truncate < len(body) {
		body = body[:f.Truncate] // less than announced: the connection has to end
	}
	if answer.status != 0 {
		w.WriteHeader(answer.status)
	}
	controller := http.NewResponseController(w)
	if f.Drip == 0 {
		_, _ = w.Write(body)
	}
	for i := 0; f.Drip > 0 && i < len(body); i++ {
		if _, err := w.Write(body[i : i+1]); err != nil {
			return
		}
		_ = controller.Flush()
		if !pause(r, f.Drip) {
			return
		}
	}
}

// past is a moment at which every deadline is over.
func past() time.Time { return time.Unix(1, 0) }

// cut ends the connection without an answer: with the deadline in the past, the server cannot write one
// and closes, just as it does when its own write time-out is over.
func cut(w http.ResponseWriter) {
	if status, ok := w.(*statusWriter); ok {
		status.cut = true
	}
	if err := http.NewResponseController(w).SetWriteDeadline(past()); err != nil {
		// Not a connection that can be cut (a recorder): an answer that nobody takes for success.
		http.Error(w, "connection cut", http.StatusInternalServerError)
	}
}

// pause waits, and says whether the caller is still there.
func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// statusWriter remembers the status that was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
	cut    bool
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) code() int {
	switch {
	case w.cut:
		return 0
	case w.status == 0:
		return http.StatusOK
	default:
		return w.status
	}
}

// bufferedAnswer keeps an answer until the fault has decided what becomes of it.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *bufferedAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *bufferedAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *bufferedAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
