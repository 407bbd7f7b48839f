package history

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tollbook/tollbook/events"
)

// Apply takes a batch of events and then moves the checkpoints: when it returns
// nil all of it is on the disk, when it returns an error the batch may be applied
// again as a whole. Within a journal events come in the journal's order; events
// that were applied before change nothing. checkpoints holds the caller's opaque
// cursor of each journal that moved; it may be nil.
func (s *Store) Apply(ctx context.Context, batch []events.Recorded, checkpoints map[string][]byte) error {
	s.write.Lock()
	defer s.write.Unlock()
	days := s.daysOf(batch)
	for _, day := range days {
		if err := s.unsettle(ctx, day); err != nil {
			return fmt.Errorf("apply history of %s: %w", day, err)
		}
	}
	// The day files are committed within the transaction of book.db: the checkpoint is
	// in it. One after the other, so that who reads meanwhile has a processor.
	err := s.book.transaction(ctx, func() error {
		if err := s.applyDays(ctx, batch); err != nil {
			return err
		}
		return s.applyBook(ctx, batch, checkpoints)
	})
	if err != nil {
		clear(s.balances) // the table does not have what they have
		return fmt.Errorf("apply history: %w", err)
	}
	if err := s.settleOld(ctx); err != nil {
		return fmt.Errorf("settle history: %w", err)
	}
	return nil
}

// daysOf returns the days whose files a batch may change.
func (s *Store) daysOf(batch []events.Recorded) []Day {
	var days []Day
	for _, recorded := range batch {
		id, ok := callIDFrom(callOf(recorded.Event))
		if !ok {
			continue
		}
		if day := callDay(id); day >= s.floor && !slices.Contains(days, day) {
			days = append(days, day)
		}
	}
	return days
}

// applyDays commits a batch's calls, day by day.
func (s *Store) applyDays(ctx context.Context, batch []events.Recorded) error {
	byDay, err := s.split(batch)
	if err != nil {
		return err
	}
	for _, day := range slices.Sorted(maps.Keys(byDay)) {
		if err := s.applyDay(ctx, day, byDay[day]); err != nil {
			return fmt.Errorf("day %s: %w", day, err)
		}
	}
	return nil
}

// dayBatch is what a batch has for one day: new events by call, in order of
// the calls' first appearance.
type dayBatch struct {
	order []events.CallID
	calls map[events.CallID][]record
}

// split sorts a batch's call events by day and call.
func (s *Store) split(batch []events.Recorded) (map[Day]*dayBatch, error) {
	byDay := make(map[Day]*dayBatch)
	for _, recorded := range batch {
		if recorded.Event.GetBody() == nil {
			s.skipped.Add(1)
			continue
		}
		if !isCall(recorded.Event) {
			continue
		}
		id, ok := callIDFrom(callOf(recorded.Event))
		if !ok {
			s.skipped.Add(1)
			continue
		}
		day := callDay(id)
		if day < s.floor {
			continue
		}
		d := byDay[day]
		if d == nil {
			d = &dayBatch{calls: make(map[events.CallID][]record)}
			byDay[day] = d
		}
		r, err := newRecord(recorded)
		if err != nil {
			return nil, err
		}
		if _, seen := d.calls[id]; !seen {
			d.order = append(d.order, id)
		}
		d.calls[id] = append(d.calls[id], r)
	}
	return byDay, nil
}

// applyDay commits a batch's calls of one day.
func (s *Store) applyDay(ctx context.Context, day Day, batch *dayBatch) (err error) {
	f, err := s.days.change(ctx, day)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.days.release(f)) }()
	change := &dayChange{ctx: ctx, w: f.writer, sums: newSums(), feeds: s.options.Feed}
	newest := f.newest
	err = f.writer.transaction(ctx, func() error {
		for _, id := range batch.order {
			known, err := s.load(ctx, f, id)
			if err != nil {
				return fmt.Errorf("call %s: %w", id, err)
			}
			if err := change.call(known, batch.calls[id]); err != nil {
				return fmt.Errorf("call %s: %w", id, err)
			}
			if string(id[:]) > string(newest[:]) {
				newest = id
			}
		}
		return change.sums.write(ctx, f.writer, day)
	})
	if err != nil {
		return err
	}
	f.newest = newest
	if s.options.Feed {
		s.fed[day] = true
	}
	for _, call := range change.changed {
		s.calls.put(call)
	}
	return nil
}

// dayChange is one transaction of a day file.
type dayChange struct {
	ctx     context.Context
	w       *writer
	sums    *sums
	changed []*knownCall
	feeds   bool
	args    []driver.NamedValue
	packed  []byte
}

const (
	newCall  = "INSERT INTO calls (events, call) VALUES (?, ?)"
	moreCall = "UPDATE calls SET events = ? WHERE call = ?"
)

// call adds events to a call and writes what that changes.
func (c *dayChange) call(known *knownCall, added []record) error {
	records, changed := merge(known.records, added)
	if !changed {
		return nil
	}
	now := &knownCall{id: known.id, records: records, rows: fold(known.id, records)}
	c.changed = append(c.changed, now)
	c.packed = pack(records, c.packed[:0])
	text := newCall
	if len(known.records) > 0 {
		text = moreCall
	}
	c.args = bind(bind(c.args[:0], c.packed), now.id[:])
	if err := c.w.execNamed(c.ctx, text, c.args); err != nil {
		return err
	}
	if err := c.rows(known.rows, now.rows); err != nil {
		return err
	}
	if err := c.feed(now.id, known.rows, now.rows); err != nil {
		return err
	}
	c.sums.add(known.rows, -1)
	c.sums.add(now.rows, 1)
	return nil
}

// rows replaces a call's old rows by its new ones. Both are ordered by leg.
func (c *dayChange) rows(old, rows []CDR) error {
	for i := range rows {
		for len(old) > 0 && old[0].Leg < rows[i].Leg {
			if err := c.remove(&old[0]); err != nil {
				return err
			}
			old = old[1:]
		}
		var before *CDR
		if len(old) > 0 && old[0].Leg == rows[i].Leg {
			before, old = &old[0], old[1:]
		}
		if err := c.row(before, &rows[i]); err != nil {
			return err
		}
	}
	for i := range old {
		if err := c.remove(&old[i]); err != nil {
			return err
		}
	}
	return nil
}

// row writes a row if what it is looked for by has changed; before is nil for a new one.
func (c *dayChange) row(before, row *CDR) error {
	now, was := lookupOf(row), lookup{}
	if before != nil {
		if was = lookupOf(before); was == now {
			return nil
		}
	}
	text := changeLookup
	c.args = now.plain(c.args[:0])
	if before == nil || was.indexed != now.indexed {
		text, c.args = putLookup, now.parties(c.args)
	}
	c.args = bind(bind(c.args, row.Call[:]), row.Leg)
	return c.w.execNamed(c.ctx, text, c.args)
}

// remove drops a row whose leg is no longer known, because its events exceeded the bound.
func (c *dayChange) remove(row *CDR) error {
	return c.w.exec(c.ctx, "DELETE FROM cdrs WHERE call = ? AND leg = ?", row.Call[:], row.Leg)
}
