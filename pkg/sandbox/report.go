package sandbox

import (
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/access"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// Report is what came of trying an add-on. Its JSON is a contract: keys stay, more may follow. It holds no
// secrets.
type Report struct {
	// OK says that every API is registered, the second run wrote nothing, and every sample met its golden
	// outcome; and that nothing else went wrong or stayed behind.
	OK bool `json:"ok"`
	// Addon, Plan and Kyma say what was tried.
	Addon string `json:"addon"`
	Plan  string `json:"plan"`
	Kyma  string `json:"kyma"`
	// APIs counts what the registration did.
	APIs APIs `json:"apis"`
	// SecondRun is the registration once more.
	SecondRun SecondRun `json:"secondRun"`
	// Events counts the sample deliveries and what became of them.
	Events Events `json:"events"`
	// Samples has one entry for each delivery.
	Samples []SampleResult `json:"samples"`
	// Notifications are events that the simulated system sent by itself.
	Notifications Notifications `json:"notifications"`
	// Relayed counts events of Kyma that were published for the system.
	Relayed Relayed `json:"relayed,omitzero"`
	// Calls are calls of registered APIs, as a workload makes them.
	Calls []Call `json:"calls"`
	// Left names what the removal left behind.
	Left []string `json:"left"`
	// Steps are what was done, in order.
	Steps []Step `json:"steps"`
	// Problems say what went wrong and what to do about it.
	Problems []string `json:"problems"`
	// Dir is the temporary directory where it was to be kept: logs are in pods/<pod>/logs.
	Dir string `json:"dir,omitempty"`
	// Seconds is how long all of it took.
	Seconds float64 `json:"seconds"`
	// Rights are what the release's accounts asked of the Kubernetes API, and their roles.
	Rights access.Used `json:"-"`
}

// APIs counts APIs by what the registration did with them.
type APIs struct {
	Registered int `json:"registered"`
	Updated    int `json:"updated"`
	Unchanged  int `json:"unchanged"`
	Skipped    int `json:"skipped"`
	Failed     int `json:"failed"`
}

// SecondRun says how many requests of the second registration changed something, or tried to; its own
// status is not counted.
type SecondRun struct {
	Writes int `json:"writes"`
}

// Events counts sample deliveries by outcome; Delivered counts events that reached their subscriber.
type Events struct {
	Sent         int `json:"sent"`
	Accepted     int `json:"accepted"`
	Delivered    int `json:"delivered"`
	Refused      int `json:"refused"`
	Rejected     int `json:"rejected"`
	Malformed    int `json:"malformed"`
	Unknown      int `json:"unknown"`
	Ignored      int `json:"ignored"`
	Duplicates   int `json:"duplicates"`
	DeadLettered int `json:"deadLettered"`
}

func (e *Events) count(r SampleResult) {
	e.Sent++
	e.Delivered += r.Delivered
	switch r.Actual {
	case sample.Accepted:
		e.Accepted++
	case sample.Duplicate:
		e.Duplicates++
	case sample.Ignored:
		e.Ignored++
	case sample.Refused:
		e.Refused++
	case sample.Rejected:
		e.Rejected++
	case sample.Malformed:
		e.Malformed++
	case sample.Unknown:
		e.Unknown++
		if r.Status >= 200 && r.Status < 300 {
			e.DeadLettered++ // taken, but nobody knows what it is
		}
	}
}

// SampleResult is what became of one sample delivery.
type SampleResult struct {
	Name     string `json:"name"`
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
	// Status is the answer's HTTP status, 0 where there was none.
	Status int `json:"status"`
	// Signed says that the delivery was signed with the installation's own secrets.
	Signed bool `json:"signed"`
	// Delivered is the number of its events that reached their subscriber.
	Delivered int     `json:"delivered"`
	OK        bool    `json:"ok"`
	Problem   string  `json:"problem,omitempty"`
	Seconds   float64 `json:"seconds"`
}

// Notifications counts events that the simulated system sent by itself, signing in as it was told to.
type Notifications struct {
	Sent      int `json:"sent"`
	Delivered int `json:"delivered"`
}

// Relayed counts events of Kyma that were published for the system: Sent are those that it got, HeldBack those
// that it did not get and was not to get.
type Relayed struct {
	Published int `json:"published"`
	Sent      int `json:"sent"`
	HeldBack  int `json:"heldBack"`
}

// Call is one call of a registered API through the simulated Application Gateway.
type Call struct {
	API    string `json:"api"`
	URL    string `json:"url"`
	Status int    `json:"status"`
}

// Step is one part of the trial.
type Step struct {
	// Name says what is done, Detail what came of it.
	Name    string  `json:"name"`
	Detail  string  `json:"detail,omitempty"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// registrationReport is what is read of the report that the registration leaves in its status.
type registrationReport struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	Next     string `json:"next"`
	APIs     APIs   `json:"apis"`
	Services []struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Kind    string `json:"kind"`
		Outcome string `json:"outcome"`
		Class   string `json:"class"`
		Reason  string `json:"reason"`
		Next    string `json:"next"`
		URL     string `json:"url"`
		Target  string `json:"target"`
		Note    string `json:"note"`
	} `json:"services"`
	Events []struct {
		Type         string         `json:"type"`
		Subscription map[string]any `json:"subscription"`
	} `json:"events"`
	Manual []struct {
		Title string   `json:"title"`
		Steps []string `json:"steps"`
	} `json:"manual"`
}
