// Package relay is the way out: CloudEvents from inside the cluster become calls to the external system.
//
// A Handler takes the events of one or more Relays on a listener of its own. A Relay is a sink like those
// towards Kyma, so that buffer, dispatcher, gate and dead letters work for it as for them: Publish makes the
// document, checks it, and waits until the batch that it went with was taken.
package relay
