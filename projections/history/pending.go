package history

import (
	"context"
	"errors"
	"fmt"

	"github.com/tollbook/tollbook/events"
)

// PendingCall is a call with a row that waits for something.
type PendingCall struct {
	Call events.CallID
	Node string
	// StartedUS is the time in the call's id.
	StartedUS int64
	// Held and Closed say what the book has: a hold, and its charge or release.
	Held   bool
	Closed bool
	// OpenLegs are the legs that nobody has seen end.
	OpenLegs []int64
	// AnsweredUS is when leg 0 was answered, 0 if not.
	AnsweredUS int64
}

// Pending returns the calls that began before a time and are not complete, oldest
// first, at most MaxPage: what a sweeper has to look after.
func (s *Store) Pending(ctx context.Context, beforeUS int64) ([]PendingCall, error) {
	var calls []PendingCall
	for _, day := range s.days.days() {
		if day > DayOf(beforeUS) || len(calls) >= MaxPage {
			break
		}
		ids, err := s.pendingOf(ctx, day, beforeUS, MaxPage-len(calls))
		if err != nil {
			return nil, fmt.Errorf("pending calls of %s: %w", day, err)
		}
		for _, id := range ids {
			call, err := s.pendingCall(ctx, id)
			if err != nil {
				return nil, fmt.Errorf("pending call: %w", err)
			}
			calls = append(calls, call)
		}
	}
	return calls, nil
}

func (s *Store) pendingOf(ctx context.Context, day Day, beforeUS int64, limit int) (ids []events.CallID, err error) {
	f, err := s.days.acquire(day)
	if err != nil || f == nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.days.release(f)) }()
	bound := callBound(beforeUS)
	rows, err := f.reader.QueryContext(ctx, `SELECT DISTINCT call FROM cdrs
 WHERE state = 'pending' AND call < ? ORDER BY call LIMIT ?`, bound[:], limit)
	return collect(rows, err, func(row scanner) (id events.CallID, err error) { return id, row.Scan(&id) })
}

func (s *Store) pendingCall(ctx context.Context, id events.CallID) (PendingCall, error) {
	call, err := s.Call(ctx, id)
	if err != nil {
		return PendingCall{}, err
	}
	p := PendingCall{Call: id, StartedUS: callTimeUS(id), Held: call.Hold != nil}
	p.Closed = call.Hold != nil && call.Hold.Closed != "" || len(call.Lines) > 0
	for i := range call.Legs {
		leg := &call.Legs[i]
		if leg.EndedUS == 0 {
			p.OpenLegs = append(p.OpenLegs, leg.Leg)
		}
		if leg.Leg == 0 {
			p.Node, p.AnsweredUS = leg.Node, leg.AnsweredUS
		}
	}
	return p, nil
}
