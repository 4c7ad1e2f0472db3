package registrationjob

import (
	"context"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// later keeps a state in the background, while the report is being kept.
type later struct {
	registration.State
	result chan error
}

// Save implements registration.State. Its result is that of wait.
func (l *later) Save(ctx context.Context, data registration.StateData) error {
	l.result = make(chan error, 1)
	go func() { l.result <- l.State.Save(ctx, data) }()
	return nil
}

// wait waits for the end of Save, and returns its error.
func (l *later) wait() error {
	if l == nil || l.result == nil {
		return nil
	}
	err := <-l.result
	l.result = nil
	return err
}
