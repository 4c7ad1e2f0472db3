package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Where a connection is cut.
const (
	// CutBefore cuts the connection before anything is done: the work is lost, and the caller gets no answer.
	CutBefore = "before"
	// CutAfter cuts it when the work is done: only the answer is lost.
	CutAfter = "after"
)

// Fault is something that goes wrong. The first group of fields says for which requests, the second what.
// In JSON, durations are text such as "250ms".
type Fault struct {
	// Part is the part of the simulator, such as PartRegistry. Empty means every part.
	Part string
	// Method is the HTTP method; empty means every method.
	Method string
	// Path is a regular expression that the path must match somewhere; empty means every path.
	Path string
	// Skip lets that many matching requests pass first.
	Skip int
	// Times is how many requests fail; 0 means every one until the fault is cleared.
	Times int

	// Latency is waited before the request is looked at.
	Latency time.Duration
	// Status is answered instead of doing the work, with Body (default: none) as ContentType (default:
	// text/plain) and, if RetryAfter is above 0, a Retry-After header of that many seconds.
	Status      int
	RetryAfter  int
	Body        string
	ContentType string
	// LoginPage answers 200 with an HTML login form instead of doing the work, as a system behind single
	// sign-on does.
	LoginPage bool
	// Cut is CutBefore or CutAfter.
	Cut string
	// Truncate, if above 0, ends the answer's body after that many bytes, without a proper end.
	Truncate int
	// Drip, if above 0, sends the answer's body byte by byte with this pause between.
	Drip time.Duration
}

// FaultState is a Fault that was added.
type FaultState struct {
	ID int
	Fault
	// Hits is how many requests it has spoiled.
	Hits int
}

// Faults holds what goes wrong in one simulator. The zero value is ready to use; methods may be called
// while requests are served.
type Faults struct {
	mu     sync.Mutex
	nextID int
	active []*activeFault
}

type activeFault struct {
	FaultState
	path *regexp.Regexp
	seen int
}

// Add adds a fault and returns its id. Faults are tried in the order they were added; the first that
// matches a request is the one that happens. It is an error if the fault does nothing or cannot be.
func (f *Faults) Add(fault Fault) (int, error) {
	if err := fault.check(); err != nil {
		return 0, err
	}
	path, err := regexp.Compile(fault.Path)
	if err != nil {
		return 0, fmt.Errorf("fault: path %q is not a regular expression: %w", fault.Path, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextID++
	f.active = append(f.active, &activeFault{FaultState: FaultState{ID: f.nextID, Fault: fault}, path: path})
	return f.nextID, nil
}

// Remove takes one fault away and says whether it was there.
func (f *Faults) Remove(id int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.active)
	f.active = slices.DeleteFunc(f.active, func(a *activeFault) bool { return a.ID == id })
	return len(f.active) < before
}

// Clear takes all faults away.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active = nil
}

// List returns the faults in the order they were added, those included that are used up.
func (f *Faults) List() []FaultState {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]FaultState, 0, len(f.active))
	for _, a := range f.active {
		list = append(list, a.FaultState)
	}
	return list
}

// next returns the fault for a request, counting it, or nil.
func (f *Faults) next(part string, r *http.Request) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.active {
		if a.Part != "" && a.Part != part || a.Method != "" && a.Method != r.Method || !a.path.MatchString(r.URL.Path) {
			continue
		}
		a.seen++
		if a.seen <= a.Skip || a.Times > 0 && a.Hits >= a.Times {
			continue
		}
		a.Hits++
		fault := a.Fault
		return &fault
	}
	return nil
}

func (f Fault) check() error {
	instead := 0
	for _, set := range []bool{f.Status != 0, f.LoginPage, f.Cut != ""} {
		if set {
			instead++
		}
	}
	switch {
	case f.Skip < 0 || f.Times < 0 || f.RetryAfter < 0 || f.Truncate < 0 || f.Latency < 0 || f.Drip < 0:
		return errors.New("fault: numbers and durations cannot be negative")
	case f.Cut != "" && f.Cut != CutBefore && f.Cut != CutAfter:
		return fmt.Errorf("fault: cut is %q: use %q or %q", f.Cut, CutBefore, CutAfter)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("fault: status %d is not between 200 and 599", f.Status)
	case instead > 1:
		return errors.New("fault: choose one of status, loginPage and cut")
	case f.Status == 0 && (f.RetryAfter != 0 || f.Body != "" || f.ContentType != ""):
		return errors.New("fault: retryAfter, body and contentType need a status")
	case f.Cut != "" && (f.Truncate > 0 || f.Drip > 0):
		return errors.New("fault: a cut connection has no body to truncate or drip")
	case instead == 0 && f.Latency == 0 && f.Truncate == 0 && f.Drip == 0:
		return errors.New("fault: it does nothing: set latency, status, loginPage, cut, truncate or drip")
	}
	return nil
}

// faultJSON is Fault on the wire.
type faultJSON struct {
	ID          int    `json:"id,omitempty"`
	Part        string `json:"part,omitempty"`
	Method      string `json:"method,omitempty"`
	Path        string `json:"path,omitempty"`
	Skip        int    `json:"skip,omitempty"`
	Times       int    `json:"times,omitempty"`
	Latency     string `json:"latency,omitempty"`
	Status      int    `json:"status,omitempty"`
	RetryAfter  int    `json:"retryAfter,omitempty"`
	Body        string `json:"body,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	LoginPage   bool   `json:"loginPage,omitempty"`
	Cut         string `json:"cut,omitempty"`
	Truncate    int    `json:"truncate,omitempty"`
	Drip        string `json:"drip,omitempty"`
	Hits        int    `json:"hits"`
}

func (s FaultState) wire() faultJSON {
	text := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	return faultJSON{
		ID: s.ID, Part: s.Part, Method: s.Method, Path: s.Path, Skip: s.Skip, Times: s.Times,
		Latency: text(s.Latency), Status: s.Status, RetryAfter: s.RetryAfter, Body: s.Body, ContentType: s.ContentType,
		LoginPage: s.LoginPage, Cut: s.Cut, Truncate: s.Truncate, Drip: text(s.Drip), Hits: s.Hits,
	}
}

func (j faultJSON) fault() (Fault, error) {
	duration := func(name, text string) (time.Duration, error) {
		if text == "" {
			return 0, nil
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("fault: %s %q is no duration such as 250ms", name, text)
		}
		return d, nil
	}
	latency, err := duration("latency", j.Latency)
	if err != nil {
		return Fault{}, err
	}
	drip, err := duration("drip", j.Drip)
	if err != nil {
		return Fault{}, err
	}
	return Fault{
		Part: j.Part, Method: j.Method, Path: j.Path, Skip: j.Skip, Times: j.Times, Latency: latency,
		Status: j.Status, RetryAfter: j.RetryAfter, Body: j.Body, ContentType: j.ContentType,
		LoginPage: j.LoginPage, Cut: j.Cut, Truncate: j.Truncate, Drip: drip,
	}, nil
}

// faultsPath is where every simulator is told over HTTP what should go wrong.
const faultsPath = "/_faults"

// ServeHTTP is the control route: GET /_faults lists the faults, POST adds one (the JSON of Fault),
// DELETE /_faults clears all, DELETE /_faults/{id} one.
func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+faultsPath, func(w http.ResponseWriter, _ *http.Request) {
		list := []faultJSON{}
		for _, state := range f.List() {
			list = append(list, state.wire())
		}
		writeJSON(w, http.StatusOK, map[string]any{"faults": list})
	})
	mux.HandleFunc("POST "+faultsPath, func(w http.ResponseWriter, r *http.Request) {
		var wire faultJSON
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&wire)
		var fault Fault
		if err == nil {
			fault, err = wire.fault()
		}
		id := 0
		if err == nil {
			id, err = f.Add(fault)
		}
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		writeJSON(w, http.StatusCreated, map[string]int{"id": id})
	})
	mux.HandleFunc("DELETE "+faultsPath, func(w http.ResponseWriter, _ *http.Request) {
		f.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE "+faultsPath+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil || !f.Remove(id) {
			writeJSON(w, http.StatusNotFound, map[string]string{"error": "no fault with this id"})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.ServeHTTP(w, r)
}
