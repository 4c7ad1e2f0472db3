package registration

import (
	"errors"
	"fmt"
)

// ErrNoApplication says that the Application does not exist.
var ErrNoApplication = errors.New("application does not exist")

// ErrUnchanged says that a change turned out to be none: everything was as it should be, and nothing was
// written.
var ErrUnchanged = errors.New("nothing to change")

// ConfigError is a failure that a repetition cannot cure: somebody has to change something first.
type ConfigError struct {
	// What says what is wrong and where; Next what to do.
	What, Next string
	Err        error
}

// Error implements error.
func (e *ConfigError) Error() string {
	text := e.What
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Next != "" {
		text += fmt.Sprintf(" (next: %s)", e.Next)
	}
	return text
}

// Unwrap implements errors.Unwrap.
func (e *ConfigError) Unwrap() error { return e.Err }
