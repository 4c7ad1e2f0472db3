// Package buffer holds the buffers between answer and sink:
//
//   - Direct ("none") keeps nothing: it answers only when the sink has the events.
//   - Disk ("disk") keeps events, their ids and dead letters in one file on a persistent volume and writes
//     each batch with one fsync.
//   - JetStream ("jetstream") keeps them in a NATS cluster, for many replicas.
//
// One suite of tests runs against all of them.
package buffer
