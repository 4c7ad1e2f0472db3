package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// litmosDate is how Litmos writes dates: in UTC, which they do not say.
const litmosDate = "2006-01-02T15:04:05.000"

// litmosEvents is the webhook of an account. Only the answers 200, 201 and 202 within 10 seconds mean
// success; how often a delivery is repeated otherwise could not be verified.
type litmosEvents struct {
	outbox *outbox
	lastID atomic.Int64
	// title: the types are spelled as in the console.
	title bool
}

func newLitmosEvents(title bool) *litmosEvents {
	l := &litmosEvents{title: title, outbox: newOutbox(sending{accepts: func(status int) bool {
		return status == http.StatusOK || status == http.StatusCreated || status == http.StatusAccepted
	}})}
	l.lastID.Store(4512)
	return l
}

// Types implements Notifier. The spelling of all but the first could not be verified.
func (l *litmosEvents) Types() []string {
	return []string{"achievement.earned", "session.created", "session.registration", "elearningcourse.processed"}
}

// Connect implements Notifier: the endpoint is what an administrator enters, and there is no field for a
// user or a secret, so that both are best put into the URL.
func (l *litmosEvents) Connect(consumer Consumer) error { return l.outbox.connect(consumer) }

// Fire implements Notifier. Entity is the id of the user, or of the session or course; an ID has to be a
// number.
func (l *litmosEvents) Fire(ctx context.Context, n Notification) error {
	if !slices.Contains(l.Types(), n.Type) {
		return fmt.Errorf("fire: Litmos has no event %q: choose one of %s", n.Type, strings.Join(l.Types(), ", "))
	}
	id, err := strconv.ParseInt(n.ID, 10, 64)
	if n.ID == "" {
		id, err = l.lastID.Add(1), nil
	}
	if err != nil {
		return fmt.Errorf("fire: the id %q is no number, as those of Litmos are", n.ID)
	}
	if n.Time.IsZero() {
		n.Time = time.Now()
	}
	data := l.data(n)
	maps.Copy(data, n.Extra)
	body, err := json.Marshal(map[string]any{"id": id, "created": n.Time.UTC().Format(litmosDate), "type": l.spelled(n.Type), "object": "event", "data": data})
	if err != nil {
		return errors.New("fire: the extra data cannot be written as JSON: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	return l.outbox.send(ctx, message{id: strconv.FormatInt(id, 10), kind: n.Type, contentType: "application/json; charset=utf-8", body: body})
}

// spelled is a type as it is sent.
func (l *litmosEvents) spelled(kind string) string {
	titles := map[string]string{
		"session.created": "Session.Created", "session.registration": "Session.Registration", "elearningcourse.processed": "ELearningCourse.Processed",
	}
	if l.title {
		return cmp.Or(titles[kind], kind)
	}
	return kind
}

// data is the payload; only that of achievements is documented.
func (l *litmosEvents) data(n Notification) map[string]any {
	at := n.Time.UTC().Format(litmosDate)
	session := map[string]any{
		"sessionId": "Qm2vCx8KjHg1", "courseId": cmp.Or(n.Root, "8hTbNq5RkLm1"), "moduleId": "bN7cXz1LkJh1", "name": "Selling well, live",
		"startDate": at, "endDate": at, "instructorUserId": "5tGbQy2LmPs1", "location": "Walldorf",
	}
	switch n.Type {
	case "session.created":
		session["sessionId"] = cmp.Or(n.Entity, "Qm2vCx8KjHg1")
		return session
	case "session.registration":
		session["userId"] = cmp.Or(n.Entity, "ixdJ7vKRHXw1")
		return session
	case "elearningcourse.processed":
		return map[string]any{"courseId": cmp.Or(n.Entity, "1OSfeMpo7wk1"), "moduleId": "bN7cXz1LkJh1", "status": "Processed"}
	}
	return map[string]any{
		"userId": cmp.Or(n.Entity, "ixdJ7vKRHXw1"), "userName": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace",
		"courseId": cmp.Or(n.Root, "1OSfeMpo7wk1"), "title": "Safety", "code": "SAF-1", "achievementDate": at,
		"compliantTilldate": nil, "result": "Completed", "type": "Course Completed", "achievementId": 77, "certificateId": "c-77",
	}
}

// Monitor implements Notifier.
func (l *litmosEvents) Monitor() []Outbound { return l.outbox.monitor() }

// Resend implements Notifier.
func (l *litmosEvents) Resend(ctx context.Context, id string) error { return l.outbox.resend(ctx, id) }

// Close implements System.
func (l *litmosEvents) Close() { l.outbox.close() }
