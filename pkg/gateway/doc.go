// Package gateway takes deliveries of external systems and hands events on: verify, map, de-duplicate,
// keep, answer; then publish, and put aside what cannot be published.
//
// The package holds the pipeline and the small interfaces around it. Transports (webhook), verification
// schemes (verify), buffers (buffer) and targets (sink) are packages of their own that know this one; they
// are wired together by the command line.
//
// A 2xx answer means that the event is at the sink or on a persistent disk. Nothing that was acknowledged
// is dropped: what cannot be published becomes a dead letter.
package gateway
