package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The pause between two attempts to publish a block in doubt.
const (
	settleFirst = 5 * time.Millisecond
	settleMost  = 500 * time.Millisecond
	// publishTimeout bounds one attempt.
	publishTimeout = 2 * time.Second
)

// settle publishes a block behind the expected sequence and says where it came
// to lie. An acknowledgement of the first attempt is proof. After anything else
// the same bytes are published again with the same id until a committed message
// behind the expected one can be read: ours means done, another ErrFenced. When
// ctx ends before that, the error is ErrInDoubt.
func settle(ctx context.Context, store Store, expect uint64, d draft, doubt bool) (uint64, error) {
	a := Append{Subject: d.block.Journal, ID: d.id, Expect: expect, Data: d.data}
	for pause := settleFirst; ; pause = min(2*pause, settleMost) {
		ack, err := publish(ctx, store, a)
		if err == nil && !doubt && !ack.Duplicate {
			if ack.Sequence <= expect {
				return 0, fmt.Errorf("the store acknowledged sequence %d behind %d: %w", ack.Sequence, expect, ErrFenced)
			}
			return ack.Sequence, nil
		}
		if errors.Is(err, ErrRefused) && !doubt {
			return 0, err
		}
		doubt = true
		if seq, settled, fence := inspect(ctx, store, expect, d); settled {
			return seq, fence
		}
		if errors.Is(err, ErrStoreClosed) {
			return 0, fmt.Errorf("%w: %w", ErrInDoubt, err)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: %w; the last attempt said: %w", ErrInDoubt, ctx.Err(), orNone(err))
		case <-time.After(pause):
		}
	}
}

func publish(ctx context.Context, store Store, a Append) (Ack, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return store.Append(ctx, a)
}

// inspect looks at the committed message behind the expected one. That there is
// none proves nothing.
func inspect(ctx context.Context, store Store, expect uint64, d draft) (seq uint64, settled bool, err error) {
	m, err := store.Next(ctx, d.block.Journal, expect+1)
	if err != nil {
		return 0, false, nil //nolint:nilerr // not to know is an answer: ask again
	}
	if string(m.Data) == string(d.data) {
		return m.Sequence, true, nil
	}
	theirs := "an unreadable block"
	if b, err := decode(m.Data); err == nil {
		theirs = fmt.Sprintf("block %d of %s, epoch %d", b.Number, b.Writer, b.Epoch)
	}
	return 0, true, fmt.Errorf("journal %s: block %d is not ours: sequence %d holds %s: %w",
		d.block.Journal, d.block.Number, m.Sequence, theirs, ErrFenced)
}

func orNone(err error) error {
	if err == nil {
		return errors.New("acknowledged, but not readable yet")
	}
	return err
}
