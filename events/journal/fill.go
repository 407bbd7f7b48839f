package journal

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Fill appends to a store what the archive has sealed of the stream that the store
// continues, each block under the sequence that it had. A store that holds a beginning
// of it already is filled from there. What lies behind the sequence upTo is left out. progress is told the last sequence now and then;
// it may be nil.
func (a *Archive) Fill(ctx context.Context, store Store, upTo uint64, progress func(sequence uint64)) (last uint64, err error) {
	state, err := store.State(ctx)
	if err != nil {
		return 0, fmt.Errorf("fill stream %s: %w", store.Name(), err)
	}
	last = state.Last
	ends := map[string]uint64{} // of each journal in the store, by sequence
	heads := map[string][]Message{}
	journals := a.journals(store.Name())
	for _, name := range journals {
		end, err := End(ctx, store, name)
		if err != nil {
			return last, fmt.Errorf("fill stream %s: %w", store.Name(), err)
		}
		ends[name] = end.Sequence
	}
	for {
		name, m, err := a.lowest(journals, heads, last+1)
		if err != nil || name == "" || m.Sequence > upTo {
			return last, err
		}
		if m.Sequence != last+1 {
			return last, fmt.Errorf("fill stream %s: the archive has no block with sequence %d, the next is %d", store.Name(), last+1, m.Sequence)
		}
		expect := ends[name]
		ack, err := store.Append(ctx, Append{Subject: name, ID: m.ID, Expect: expect, Data: m.Data})
		if err != nil {
			return last, fmt.Errorf("fill stream %s: %w", store.Name(), err)
		}
		if ack.Sequence != m.Sequence {
			return last, fmt.Errorf("fill stream %s: the block of sequence %d came to lie at %d: remove the store and begin anew", store.Name(), m.Sequence, ack.Sequence)
		}
		last, ends[name] = m.Sequence, m.Sequence
		if progress != nil && last%progressEvery == 0 {
			progress(last)
		}
	}
}

// progressEvery is how many blocks lie between two words about the progress.
const progressEvery = 10_000

// lowest takes the message with the lowest sequence out of what is read ahead of each
// journal. The name is empty at the end.
func (a *Archive) lowest(journals []string, ahead map[string][]Message, from uint64) (string, Message, error) {
	var have []string
	for _, name := range journals {
		if len(ahead[name]) == 0 {
			messages, err := a.read(name, from)
			if err != nil {
				return "", Message{}, err
			}
			ahead[name] = messages
		}
		if len(ahead[name]) > 0 {
			have = append(have, name)
		}
	}
	if len(have) == 0 {
		return "", Message{}, nil
	}
	name := slices.MinFunc(have, func(x, y string) int { return cmp.Compare(ahead[x][0].Sequence, ahead[y][0].Sequence) })
	m := ahead[name][0]
	ahead[name] = ahead[name][1:]
	return name, m, nil
}

// read is find for one who reads several journals in turn and keeps what it gets.
func (a *Archive) read(journal string, from uint64) ([]Message, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.holding(journal, from)
	if !ok {
		return nil, nil
	}
	_, messages, err := readSegment(s.path)
	return since(messages, from), err
}

// Check reads all segments: what is damaged or does not follow is an error.
func (a *Archive) Check() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, list := range a.segments {
		for _, s := range list {
			if _, _, err := readSegment(s.path); err != nil {
				return err
			}
		}
	}
	return nil
}
