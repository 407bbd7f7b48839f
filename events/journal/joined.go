package journal

import (
	"context"
	"errors"
	"slices"
)

// joined is a store whose beginning lies in an archive.
type joined struct {
	Store
	archive *Archive
}

// Join gives a store that reads what is sealed from the archive and the rest
// from the stream, so that a journal begins with its first block wherever the
// stream was trimmed. Everything else is the stream's.
func (a *Archive) Join(store Store) Store { return joined{Store: store, archive: a} }

// Read gives a batch from the archive, behind its end from the stream.
func (j joined) Read(ctx context.Context, subject string, from uint64) ([]Message, error) {
	messages, err := j.archive.find(subject, from)
	if err != nil || len(messages) > 0 {
		return messages, err
	}
	return j.Store.Read(ctx, subject, from)
}

// Next is the first message at or after a sequence. What the stream has comes
// from there: its word decides what is committed.
func (j joined) Next(ctx context.Context, subject string, from uint64) (Message, error) {
	messages, err := j.archive.find(subject, from)
	if err != nil {
		return Message{}, err
	}
	m, err := j.Store.Next(ctx, subject, from)
	if len(messages) > 0 && (errors.Is(err, ErrNoMessage) || err == nil && messages[0].Sequence < m.Sequence) {
		return messages[0], nil
	}
	return m, err
}

// Subjects are those of archive and stream.
func (j joined) Subjects(ctx context.Context) ([]string, error) {
	subjects, err := j.Store.Subjects(ctx)
	if err != nil {
		return nil, err
	}
	subjects = append(subjects, j.archive.journals(j.Name())...)
	slices.Sort(subjects)
	return slices.Compact(subjects), nil
}
