package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

func TestFullType(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "order.created.v1", event.Event{Type: "order.created", Version: "v1"}.FullType())
	assert.Equal(t, "order.created", event.Event{Type: "order.created"}.FullType())
}

func TestIsJSON(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]bool{
		"": true, "application/json": true, "Application/JSON; charset=utf-8": true, "application/vnd.acme+json": true,
		"text/plain": false, "application/xml": false, "application/jsonlines": false,
	} {
		assert.Equal(t, want, event.Event{DataContentType: contentType}.IsJSON(), contentType)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*event.Event)
		want   string
	}{
		"no id":                        {func(e *event.Event) { e.ID = "" }, "has no id"},
		"no source":                    {func(e *event.Event) { e.Source = "" }, "has no source"},
		"no type":                      {func(e *event.Event) { e.Type = "" }, "has no type"},
		"control character":            {func(e *event.Event) { e.Subject = "a\nb" }, "subject has control characters"},
		"not UTF-8":                    {func(e *event.Event) { e.ID = "\xff" }, "id is not valid UTF-8"},
		"too long":                     {func(e *event.Event) { e.ID = strings.Repeat("i", event.MaxAttribute+1) }, "id is longer than 2048 bytes"},
		"source is no URI reference":   {func(e *event.Event) { e.Source = "https://a b" }, "no URI reference"},
		"extension with a bad name":    {func(e *event.Event) { e.Extensions = map[string]string{"my_ext": "x"} }, `extension "my_ext"`},
		"extension with a taken name":  {func(e *event.Event) { e.Extensions = map[string]string{"data": "x"} }, `extension "data"`},
		"extension with control value": {func(e *event.Event) { e.Extensions = map[string]string{"a": "\x00"} }, "extension a has control characters"},
		"year out of range":            {func(e *event.Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "time is out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := sample()
			require.NoError(t, e.Validate())
			tc.change(&e)
			require.ErrorContains(t, e.Validate(), tc.want)
		})
	}
	e := sample()
	e.ID = strings.Repeat("i", event.MaxAttribute)
	assert.NoError(t, e.Validate(), "at the limit")
}

func TestCheckType(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Account.Root.Created", "threesixty.person.statusChanged", "a", "SO2.x"} {
		assert.NoError(t, event.CheckType(name), name)
	}
	for name, want := range map[string]string{
		"": "is empty", "a..b": "empty segment", ".a": "empty segment", "a.": "empty segment",
		"pull_request": "which Kyma removes", "a-b": "which Kyma removes", "Ünïcode": "which Kyma removes", "a b": "which Kyma removes",
	} {
		assert.ErrorContains(t, event.CheckType(name), want, name)
	}
	err := event.CheckType(strings.Repeat("é", 1000))
	assert.Less(t, len(err.Error()), 300, "a hostile name is not repeated at length")
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	assert.NoError(t, event.CheckVersion("v1"))
	for _, version := range []string{"", "v1.0", "a b", "v-1"} {
		assert.Error(t, event.CheckVersion(version), version)
	}
}

func TestNamesAsKymaMakesThem(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "pullrequest", event.CleanType("pull_request"))
	assert.Equal(t, "Account.Root.Created", event.CleanType("Account.Root.Created"))
	assert.Equal(t, "myapp1", event.CleanApplication("my-app.1"))
	assert.Equal(t, "sap.kyma.custom.myapp.Account.Root.Created.v1",
		event.Event{Type: "Account.Root.Created", Version: "v1"}.PrefixedType("sap.kyma.custom", "my-app"))
}

func TestSplitType(t *testing.T) {
	t.Parallel()
	for full, want := range map[string][2]string{
		"order.created.v1": {"order.created", "v1"}, "order.created": {"order.created", ""}, "a.v12": {"a", "v12"},
		"v1": {"v1", ""}, "a.v": {"a.v", ""}, "a.vx": {"a.vx", ""}, "a.1": {"a.1", ""}, "": {"", ""}, ".v1": {".v1", ""},
	} {
		name, version := event.SplitType(full)
		assert.Equal(t, want, [2]string{name, version}, full)
	}
}

func sample() event.Event {
	return event.Event{
		ID:      "fa163e16-4431-1edd-8eb8-351cf99ab8c7",
		Source:  "my-app",
		Type:    "Ticket.Root.Created",
		Version: "v1",
		Subject: "00163E5FA59C1ED8B3B9643A4B63D2AF",
		Time:    time.Date(2020, 9, 21, 15, 25, 38, 120000000, time.UTC),
		Data:    []byte(`{"root-entity-id": "00163E5FA59C1ED8B3B9643A4B63D2AF", "n": 1.10}`),
		Extensions: map[string]string{
			"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "originsource": "/FR4/sap.byd",
		},
	}
}
