package kube

import (
	"context"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	// attempts bounds how often ModifyFrom and Remove start again.
	attempts = 8
	// The wait before another attempt is random, up to a limit that doubles from firstWait to lastWait.
	firstWait, lastWait = 50 * time.Millisecond, 2 * time.Second
)

// Change makes the new state of an object from the current one, which is nil where there is none and may be
// altered. It returns nil to leave things as they are. It may be called several times.
type Change func(current *unstructured.Unstructured) (*unstructured.Unstructured, error)

// Known is an object as it was read before. The zero value says nothing about it.
type Known struct {
	object *unstructured.Unstructured // nil where there is none
	read   bool
}

// Absent is what is known of an object that probably does not exist.
func Absent() Known { return Known{read: true} }

// Present is what is known of an object that was read. It may not be altered any more.
func Present(object *unstructured.Unstructured) Known {
	return Known{object: object, read: object != nil}
}

// Look reads an object for ModifyFrom. What cannot be read is not known.
func (c *Client) Look(ctx context.Context, ref Ref) Known {
	object, err := c.Get(ctx, ref)
	switch {
	case err == nil:
		return Present(object)
	case IsNotFound(err) && !IsNotServed(err):
		return Absent()
	}
	return Known{}
}

// Modify reads an object, changes it and writes it back; it starts again where somebody else was faster or
// an answer was lost, so that change sees whether its write happened. It returns the object as it is now: nil
// where there is none.
func (c *Client) Modify(ctx context.Context, ref Ref, change Change) (*unstructured.Unstructured, error) {
	return c.ModifyFrom(ctx, ref, Known{}, change)
}

// ModifyFrom is Modify for an object of which something is known already: that saves reading it. Where somebody
// changed it meanwhile it is read again, unless there is nothing to write.
func (c *Client) ModifyFrom(ctx context.Context, ref Ref, known Known, change Change) (*unstructured.Unstructured, error) {
	for attempt := 1; ; attempt++ {
		object, again, err := c.modifyOnce(ctx, ref, known, change)
		if err == nil || !again || attempt == attempts || !wait(ctx, attempt) {
			return object, err
		}
		known = Known{}
	}
}

// modifyOnce makes one attempt; again says that another one may help.
func (c *Client) modifyOnce(ctx context.Context, ref Ref, known Known, change Change) (object *unstructured.Unstructured, again bool, err error) {
	before := known.object
	if !known.read {
		before, err = c.Get(ctx, ref)
		if err != nil && (!IsNotFound(err) || IsNotServed(err)) {
			return nil, IsRetryable(err) && answered(err), err // client-go repeats a GET without an answer itself
		}
	}
	wanted, err := change(before.DeepCopy())
	switch {
	case err != nil:
		return nil, false, err
	case wanted == nil:
		return before, false, nil
	case before == nil:
		object, err = c.Create(ctx, ref, wanted)
		return object, IsExists(err) || IsRetryable(err), err
	}
	object, err = c.Update(ctx, ref, wanted)
	return object, IsConflict(err) || IsNotFound(err) || IsRetryable(err), err
}

// Remove deletes an object where may agrees with it, and starts again like Modify. An object that does not
// exist is no error.
func (c *Client) Remove(ctx context.Context, ref Ref, may func(current *unstructured.Unstructured) bool) (removed bool, err error) {
	for attempt := 1; ; attempt++ {
		current, err := c.Get(ctx, ref)
		if err == nil {
			if !may(current) {
				return false, nil
			}
			if err = c.Delete(ctx, ref, current); err == nil {
				return true, nil
			}
		}
		if IsNotFound(err) {
			return attempt > 1, nil
		}
		again := IsConflict(err) || IsRetryable(err) && (current != nil || answered(err)) // see modifyOnce about a GET
		if !again || attempt == attempts || !wait(ctx, attempt) {
			return false, err
		}
	}
}

// wait waits before the next attempt; false means that there is no time left.
func wait(ctx context.Context, attempt int) bool {
	limit := min(firstWait<<(attempt-1), lastWait)
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
