package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// qualtricsEvents are the event subscriptions of a brand and what they post. It is not known how often
// Qualtrics repeats a delivery that failed; the simulator does not, unless Consumer.MaxAttempts says so.
type qualtricsEvents struct {
	brand         string
	subscriptions qualtricsSubscriptions
	outbox        *outbox
	forms         atomic.Int64 // counts the forms, of which no two in a row look alike
}

func newQualtricsEvents(brand string) *qualtricsEvents {
	q := &qualtricsEvents{brand: brand}
	q.outbox = newOutbox(sending{subscribed: true, attempts: 1, tried: func(e *outboundEvent, a attempt) {
		if a.err == nil && a.status/100 == 2 {
			q.subscriptions.called(e.Subscription)
		}
	}})
	return q
}

// qualtricsTopic is one kind of event.
type qualtricsTopic struct {
	name string
	// survey says that the delivered topic ends with the id of the survey.
	survey bool
	// message makes what is sent; the id of the brand is added.
	message func(n Notification) map[string]any
}

func qualtricsTopics() []qualtricsTopic {
	threeSixty := func(n Notification) map[string]any {
		return map[string]any{
			"SurveyID": cmp.Or(n.Root, "SV_b7rWvLXpw1bDSPr"), "ThreeSixtyID": cmp.Or(n.Entity, "360_6sOCTJJbMWL7Qt7"),
			"SubjectID": "S_8xT0l6WkqTPAQJL",
		}
	}
	evaluator := func(n Notification, more map[string]any) map[string]any {
		m := threeSixty(n)
		m["EvaluatorID"], m["Relationship"] = "E_3qNWTIDG9gbTdyt", "Peer"
		maps.Copy(m, more)
		return m
	}
	survey := func(status string) func(n Notification) map[string]any {
		return func(n Notification) map[string]any {
			return map[string]any{"SurveyID": cmp.Or(n.Root, n.Entity, "SV_1AmkKSDmoZ4XlQx"), "Status": status}
		}
	}
	return []qualtricsTopic{
		{name: "surveyengine.completedResponse", survey: true, message: func(n Notification) map[string]any {
			// The date is in Mountain time, which it does not say.
			completed := n.Time.In(time.FixedZone("", -7*60*60)).Format(time.DateTime)
			return map[string]any{"Status": "Complete", "SurveyID": cmp.Or(n.Root, "SV_1AmkKSDmoZ4XlQx"), "ResponseID": cmp.Or(n.Entity, "R_"+randomText(15)), "CompletedDate": completed}
		}},
		{name: "controlpanel.activateSurvey", message: survey("Active")},
		{name: "controlpanel.deactivateSurvey", message: survey("Inactive")},
		{name: "threesixty.created", message: func(n Notification) map[string]any {
			m := threeSixty(n)
			delete(m, "SubjectID")
			m["Workflow"] = map[string]any{"Step": "Nomination"}
			return m
		}},
		{name: "threesixty.statusChanged", message: func(n Notification) map[string]any {
			return map[string]any{"ThreeSixtyID": threeSixty(n)["ThreeSixtyID"], "Status": "Active"}
		}},
		{name: "threesixty.person.statusChanged", message: func(n Notification) map[string]any {
			m := threeSixty(n)
			delete(m, "SurveyID")
			m["Status"] = "Done"
			return m
		}},
		{name: "threesixty.nominationCreated", message: func(n Notification) map[string]any {
			return evaluator(n, map[string]any{"EvaluatorEmail": "evaluator@example.com", "EvaluationURL": "https://example.com/jfe/form/SV_b7rWvLXpw1bDSPr?Q_CHL=gl"})
		}},
		{name: "threesixty.nominationRemoved", message: func(n Notification) map[string]any { return evaluator(n, nil) }},
		{name: "threesixty.evaluationStatusChanged", message: func(n Notification) map[string]any {
			return evaluator(n, map[string]any{"Status": "Finished", "SessionID": "FS_2aXcZbSx4kQ8mHr", "ResponseID": "R_3MbYyE9gLpkRk9W", "Unsolicited": false})
		}},
		{name: "threesixty.reportReady", message: func(n Notification) map[string]any {
			m := threeSixty(n)
			delete(m, "SurveyID")
			m["ReportURL"] = "https://example.com/Q/File.php?F=F_0pQ5EiLsGzXjCrX"
			return m
		}},
	}
}

// qualtricsSubscribable says whether a topic can be subscribed to: one of the topics, those of which a
// survey's id follows, or an area of them by "*".
func qualtricsSubscribable(topic string) bool {
	if topic == "*" {
		return true
	}
	area, wild := strings.CutSuffix(topic, ".*")
	return slices.ContainsFunc(qualtricsTopics(), func(t qualtricsTopic) bool {
		switch {
		case wild:
			return t.survey && area == t.name || strings.HasPrefix(t.name, area+".")
		case t.survey:
			return strings.HasPrefix(topic, t.name+".SV_")
		default:
			return topic == t.name
		}
	})
}

// wants says whether the subscription covers a topic, which is given without the brand.
func (s qualtricsSubscription) wants(topic string) bool {
	if prefix, wild := strings.CutSuffix(s.topics, "*"); wild {
		return strings.HasPrefix(topic, prefix)
	}
	return topic == s.topics
}

// Types implements Notifier.
func (q *qualtricsEvents) Types() []string {
	types := []string{}
	for _, t := range qualtricsTopics() {
		types = append(types, t.name)
	}
	return types
}

// Connect implements Notifier.
func (q *qualtricsEvents) Connect(consumer Consumer) error { return q.outbox.connect(consumer) }

// Fire implements Notifier. Root is the id of the survey, Entity that of the response or of the 360
// project. One form is posted for each subscription that covers the topic, also to the same address.
func (q *qualtricsEvents) Fire(ctx context.Context, n Notification) error {
	topics := qualtricsTopics()
	i := slices.IndexFunc(topics, func(t qualtricsTopic) bool { return t.name == n.Type })
	if i < 0 {
		return fmt.Errorf("fire: Qualtrics has no event %q: choose one of %s", n.Type, strings.Join(q.Types(), ", "))
	}
	if _, err := q.outbox.connected(); err != nil {
		return err
	}
	if n.Time.IsZero() {
		n.Time = time.Now()
	}
	payload := topics[i].message(n)
	payload["BrandID"] = q.brand
	maps.Copy(payload, n.Extra)
	topic := n.Type
	if topics[i].survey {
		topic += fmt.Sprintf(".%v", payload["SurveyID"])
	}
	text, err := json.Marshal(payload)
	if err != nil {
		return errors.New("fire: the extra data cannot be written as JSON: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	id := cmp.Or(n.ID, kube.NewUID())
	var errs []error
	for _, s := range q.subscriptions.list() {
		if !s.wants(topic) {
			continue
		}
		form, err := q.form(q.brand+"."+topic, string(text), s.key)
		if err == nil {
			err = q.outbox.send(ctx, message{id: id, kind: n.Type, subscription: s.id, endpoint: s.url, contentType: "application/x-www-form-urlencoded", body: form})
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// form writes the fields; their order and the spelling of spaces change from form to form.
func (q *qualtricsEvents) form(topic, text, key string) ([]byte, error) {
	count := q.forms.Add(1)
	values := url.QueryEscape(text)
	if count%2 == 0 {
		values = strings.ReplaceAll(values, "+", "%20")
	}
	fields := []string{"Topic=" + url.QueryEscape(topic), "MSG=" + values, "undefined="}
	if key == "" {
		return []byte(strings.Join(rotate(fields, count), "&")), nil
	}
	signed, err := Sign(&http.Request{}, []byte("HMAC=&"+strings.Join(fields, "&")), Scheme{HMAC: &HMACScheme{
		Algorithm: "sha512", Encoding: "hex", Key: key, MessageField: "MSG", Field: "HMAC",
	}})
	return []byte(strings.Join(rotate(strings.Split(string(signed), "&"), count), "&")), err
}

func rotate(fields []string, by int64) []string {
	i := int(by) % len(fields)
	return slices.Concat(fields[i:], fields[:i])
}

// Monitor implements Notifier. The real system has no such list, only the counter successfulCalls.
func (q *qualtricsEvents) Monitor() []Outbound { return q.outbox.monitor() }

// Resend implements Notifier.
func (q *qualtricsEvents) Resend(ctx context.Context, id string) error {
	return q.outbox.resend(ctx, id)
}

// Close implements System.
func (q *qualtricsEvents) Close() { q.outbox.close() }
