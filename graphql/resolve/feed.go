package resolve

import (
	"context"
	"time"

	"github.com/tollbook/tollbook/events"
)

const (
	// feedPoll is how often a listener at the book's end looks whether it went on.
	feedPoll = 50 * time.Millisecond
	// feedAgain is when a listener reads again what could not be read.
	feedAgain = time.Second
	// watchEvery is how often it is looked, at most, what became of something that a
	// listener watches.
	watchEvery = time.Second
)

// follow sends a first answer, if there is one, and then what show makes of every event of
// the book behind a place, as it comes, but for nil, until ctx ends. Nothing is held for a
// listener who does not read. It ends where the book cannot be read for long.
func follow[T any](ctx context.Context, r *Resolver, at events.Position, first *T, show func(*events.Recorded) *T) <-chan *T {
	out := make(chan *T)
	go func() {
		defer close(out)
		if first != nil && !hand(ctx, out, first) {
			return
		}
		for failed := 0; failed < 10; {
			pause := feedPoll
			if end, _ := r.Backend.AsOf(); at < end {
				next, err := send(ctx, r, out, at, int(min(lookAt, end-at)), show)
				if failed++; err != nil || next == at {
					pause = feedAgain
				} else {
					failed, pause = 0, 0
				}
				at = next
			}
			if !rest(ctx, pause) {
				return
			}
		}
	}()
	return out
}

// send sends what there is to show of the next events and gives the position it came to.
func send[T any](ctx context.Context, r *Resolver, out chan<- *T, at events.Position, most int, show func(*events.Recorded) *T) (events.Position, error) {
	told, err := r.Backend.Told(ctx, at, most)
	if err != nil {
		return at, err
	}
	for i := range told {
		if shown := show(&told[i]); shown != nil && !hand(ctx, out, shown) {
			return at, ctx.Err()
		}
		at = events.Position(told[i].Position)
	}
	return at, nil
}

// watch sends what look finds, now and then at most once every watchEvery, until ctx ends.
// look says what is new since it was asked last, false for nothing: what happens while a
// listener does not read is one answer, however much it is.
func watch[T any](ctx context.Context, look func() (T, bool)) <-chan T {
	out := make(chan T)
	go func() {
		defer close(out)
		for {
			if found, is := look(); is && !hand(ctx, out, found) {
				return
			}
			if !rest(ctx, watchEvery) {
				return
			}
		}
	}()
	return out
}

// hand waits until a listener takes something; false if ctx ends before.
func hand[T any](ctx context.Context, out chan<- T, it T) bool {
	select {
	case out <- it:
		return true
	case <-ctx.Done():
		return false
	}
}

// rest waits a while; false if ctx ends before.
func rest(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}
