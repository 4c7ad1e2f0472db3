package registration

import "github.com/kyma-connectors/kyma-connectors/pkg/system"

// Class is the kind of reason behind an outcome. The set is bounded, so that it can label a metric.
type Class = system.Class

// The classes: those of calls to the system, and those of a registration.
const (
	ClassActive        = system.ClassActive
	ClassDisabled      = system.ClassDisabled
	ClassUnauthorized  = system.ClassUnauthorized
	ClassMalformed     = system.ClassMalformed
	ClassMisconfigured = system.ClassMisconfigured
	ClassUnreachable   = system.ClassUnreachable
	ClassConflict      = system.ClassConflict

	ClassSwitchedOff Class = "switched-off" // the parameters switch it off
	ClassRefused     Class = "refused"      // Kyma refuses it, for good
	ClassWrite       Class = "write"        // Kyma did not take it now
	ClassPolicy      Class = "policy"       // the policy leaves it as it is
	ClassMissing     Class = "missing"      // not registered, or not as it should be (verify)
	ClassUnwanted    Class = "unwanted"     // nobody subscribes to it
	ClassNowhere     Class = "nowhere"      // the cluster has no place for it
)

// retryable says whether a failure of this class may go away by itself.
func retryable(c Class) bool {
	return c == ClassUnreachable || c == ClassWrite || c == ClassMissing
}

// finding is what became of an API at the system.
type finding = system.Finding
