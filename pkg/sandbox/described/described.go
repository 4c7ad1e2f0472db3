package described

import (
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// System is a simulated system that is what a definition says.
type System struct {
	*simulator.Described

	definition *connector.Definition
	recordings []recording
	from       *connector.Params
	renewed    atomic.Int64 // how many deliveries were made new
}

// recording is a sample that can be sent as a new delivery.
type recording struct {
	simulator.Recorded
	delivery *connector.Delivery
	// fullType is the event type that comes of it; Type has more where two deliveries bring the same.
	fullType string
}

// Samples are what is known of a system besides its definition.
type Samples struct {
	// Deliveries are recorded; the first one for each event type is what the system sends. They are signed with
	// Params.
	Deliveries []sample.Sample
	Params     map[string]string
	// Answers are what the system answers, where that does not follow from the definition.
	Answers []sample.SystemAnswer
}

// New makes the system. values are the form's: what signs in to the system has to be that. Close it at the end.
func New(d *connector.Definition, values map[string]string, samples Samples) (*System, error) {
	params, err := d.ResolveParams(values, connector.WithoutGenerated())
	if err != nil {
		return nil, err
	}
	from, err := d.ResolveParams(samples.Params)
	if err != nil {
		return nil, err
	}
	s := &System{definition: d, from: from}
	for i := range samples.Deliveries {
		s.record(&samples.Deliveries[i])
	}
	description, err := describe(d, params, s.recordings, samples.Answers)
	if err != nil {
		return nil, err
	}
	s.Described, err = simulator.NewDescribed(description)
	return s, err
}

// record takes a sample that is the first for its event type, and that can be made new.
func (s *System) record(one *sample.Sample) {
	delivery := sample.Delivery(s.definition, one.Request)
	if one.Golden.Outcome != sample.Accepted || delivery == nil || one.Request.Method != http.MethodPost && !one.Request.Message() {
		return
	}
	r := recording{delivery: delivery, fullType: one.Golden.Events[0].FullType(), Recorded: simulator.Recorded{
		Type: one.Golden.Events[0].FullType(), Target: one.Request.Target, Header: one.Request.Header, Body: one.Request.Body,
	}}
	if delivery.HTTP != nil {
		r.Path = delivery.HTTP.Path
	} else {
		r.Topic, r.Quality = one.Request.Topic()
	}
	for _, known := range s.recordings {
		if known.fullType == r.fullType && known.delivery == delivery {
			return
		}
		if known.Type == r.Type {
			r.Type += " (" + delivery.Name + ")"
		}
	}
	if _, err := s.Renew(r.Recorded, s.from, time.Now()); err == nil {
		s.recordings = append(s.recordings, r)
	}
}

// TypesOf lists what the system sends to one delivery, as Notification.Type names it.
func (s *System) TypesOf(delivery *connector.Delivery) []string {
	var types []string
	for _, r := range s.recordings {
		if r.delivery == delivery && !slices.Contains(types, r.Type) {
			types = append(types, r.Type)
		}
	}
	return types
}
