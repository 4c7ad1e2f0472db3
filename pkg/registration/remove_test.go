package registration_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
)

func unredacted(s string) string { return s }

func TestRemoveTakesBackWhatItOwns(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	f.catalog.Missing, f.options.CreateApplication = true, true
	require.True(t, f.run(t).OK)
	f.catalog.Add(foreign("x", "Of another owner"))

	removal := registration.NewRemoval("shop", instance)
	removal.Application = "orders"
	removal.Services(t.Context(), f.catalog)
	removal.Finish(unredacted)
	assert.True(t, removal.OK)
	assert.Equal(t, []string{"service Acme Shop - A", "service Acme Shop - B", "service Acme Shop - Events"}, removal.Removed)
	assert.Len(t, f.catalog.Entries(), 1, "another owner's service stays, and so does the Application")

	removal = registration.NewRemoval("shop", "other/orders")
	removal.Application = "orders"
	removal.Services(t.Context(), f.catalog)
	assert.Equal(t, []string{"service Of another owner", "Application orders"}, removal.Removed)

	removal = registration.NewRemoval("shop", instance)
	removal.Services(t.Context(), f.catalog)
	removal.Finish(unredacted)
	assert.True(t, removal.OK, "nothing to remove is no failure")
	assert.Empty(t, removal.Removed)
}

func TestRemoveSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	require.True(t, f.run(t).OK)
	f.catalog.ApplyError = func(c registration.Change) error {
		if c.Registered.DisplayName == "Acme Shop - B" {
			return &registration.ConfigError{What: "this account may not do that", Next: "ask for the right"}
		}
		return nil
	}
	removal := registration.NewRemoval("shop", instance)
	removal.Services(t.Context(), f.catalog)
	removal.Failed("secret x", errors.New("sees pa55"))
	removal.Done("secret y")
	removal.Finish(func(s string) string { return string(bytes.ReplaceAll([]byte(s), []byte("pa55"), []byte("…"))) })
	assert.False(t, removal.OK)
	var text bytes.Buffer
	require.NoError(t, removal.WriteText(&text))
	assert.Equal(t, `removed: 3, left: 2
left: service Acme Shop - B: this account may not do that (next: ask for the right)
left: secret x: sees … (next: run it again)
removed: service Acme Shop - A
removed: service Acme Shop - Events
removed: secret y
`, text.String())
	status, err := removal.Status()
	require.NoError(t, err)
	assert.Equal(t, text.String(), status["summary"])
	assert.Contains(t, status["report.json"], `"ok": false`)
}

func TestRemoveGoesOnWhereTheCatalogCannotBeRead(t *testing.T) {
	t.Parallel()
	removal := registration.NewRemoval("shop", instance)
	removal.Application = "orders"
	removal.Services(t.Context(), &registrationtest.Catalog{ListError: errors.New("connection refused")})
	assert.Equal(t, []registration.Left{{What: "services of Application orders", Reason: "connection refused", Next: "run it again"}}, removal.Left)
}
