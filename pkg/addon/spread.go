package addon

import (
	"context"
	"runtime"
	"sync"
)

// Spread calls work for each number below n, spread over the processors, and waits. It begins nothing once the
// context is done, and then returns its error.
func Spread(ctx context.Context, n int, work func(i int)) error {
	var wait sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
		case free <- struct{}{}:
			wait.Go(func() { work(i); <-free })
		}
	}
	wait.Wait()
	return ctx.Err()
}
