// Package simulator is Kyma and the source systems on one machine: http.Handlers that answer as the real
// parts do, quirks and refusals included, so that a connector can be tried, tested and broken on purpose
// without a cluster or a tenant.
//
// It shares no code with what it judges: it checks credentials, writes CloudEvents and signs requests with
// a few lines of its own, so that a mistake cannot confirm itself.
//
// Every part can be made to fail (see Faults), by the Go API or over HTTP at /_faults.
package simulator
