package history

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// RowKey names a CDR.
type RowKey struct {
	Call events.CallID
	Leg  int64
}

func (k RowKey) compare(to RowKey) int {
	return cmp.Or(bytes.Compare(k.Call[:], to.Call[:]), cmp.Compare(k.Leg, to.Leg))
}

// PackKeys writes keys as a CDR file's progress has them.
func PackKeys(keys []RowKey) []byte {
	out := make([]byte, 0, len(keys)*catalog.CdrRowBytes)
	for _, k := range keys {
		out = binary.BigEndian.AppendUint16(append(out, k.Call[:]...), uint16(k.Leg))
	}
	return out
}

// UnpackKeys reads what PackKeys wrote.
func UnpackKeys(packed []byte) []RowKey {
	var keys []RowKey
	for part := range slices.Chunk(packed, catalog.CdrRowBytes) {
		keys = append(keys, RowKey{events.CallID(part[:16]), int64(binary.BigEndian.Uint16(part[16:]))})
	}
	return keys
}

// applyCut writes down which CDRs have come into a file.
func (s *Store) applyCut(ctx context.Context, r events.Recorded) error {
	for _, c := range r.Event.GetChangeSetAccepted().GetChanges() {
		p := c.GetEntity().GetCdrProgress()
		if len(p.GetRows())%catalog.CdrRowBytes != 0 {
			return fmt.Errorf("file %d of profile %s has %d bytes of rows: %w", p.Number, p.Id, len(p.Rows), ErrInvalid)
		}
		for _, k := range UnpackKeys(p.GetRows()) {
			err := s.book.exec(ctx, "INSERT OR IGNORE INTO cdr_rows (profile, call, leg, number) VALUES (?,?,?,?)",
				p.Id, k.Call[:], k.Leg, int64(p.Number))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Cut chooses CDRs for the next file of a profile.
type Cut struct {
	Profile *wire.CdrProfile
	// LostBeforeUS is until when calls must have begun whose beginning nobody observed:
	// the journal of their node may still come.
	LostBeforeUS int64
	// Limit is the most rows that are wanted.
	Limit int
}

// Uncut are the complete CDRs that a profile takes and that no file of it has, the
// oldest calls first.
func (s *Store) Uncut(ctx context.Context, cut Cut) ([]RowKey, error) {
	var out []RowKey
	for _, day := range s.days.days() {
		if day < DayOf(cut.Profile.FromUs) {
			continue
		}
		var err error
		if out, err = s.uncutDay(ctx, day, cut, out); err != nil {
			return nil, fmt.Errorf("look for CDRs of %s that are in no file: %w", day, err)
		}
		if len(out) >= cut.Limit {
			break
		}
	}
	return out, nil
}

// uncutDay adds a day's: those of its file less those in book.db, both sorted.
func (s *Store) uncutDay(ctx context.Context, day Day, cut Cut, out []RowKey) (_ []RowKey, err error) {
	f, err := s.days.acquire(day)
	if err != nil || f == nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.days.release(f)) }()
	first, lost := callBound(cut.Profile.FromUs), callBound(cut.LostBeforeUS)
	c := Filter{Company: cut.Profile.Company, Account: cut.Profile.Account}.condition()
	c.when(true, "call >= ?", first[:])
	c.when(true, "(state = 'final' OR state = 'lost' AND call < ?)", lost[:])
	all, err := f.reader.QueryContext(ctx, "SELECT call, leg FROM cdrs"+c.where()+" ORDER BY call, leg", c.args...)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, all.Close()) }()
	from, to := day.calls()
	known, err := s.reader.QueryContext(ctx, "SELECT call, leg FROM cdr_rows WHERE profile = ? AND call >= ? AND call < ? ORDER BY call, leg",
		cut.Profile.Id, from[:], to[:])
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, known.Close()) }()
	done, left, err := nextKey(known)
	for err == nil && len(out) < cut.Limit {
		key, more, bad := nextKey(all)
		if bad != nil || !more {
			return out, bad
		}
		for err == nil && left && done.compare(key) < 0 {
			done, left, err = nextKey(known)
		}
		if !left || done != key {
			out = append(out, key)
		}
	}
	return out, err
}

func nextKey(rows *sql.Rows) (key RowKey, ok bool, err error) {
	if !rows.Next() {
		return key, false, rows.Err()
	}
	return key, true, rows.Scan(&key.Call, &key.Leg)
}

// Rows reads CDRs by their keys, those of one call behind each other. For a partner what
// he may not see is left out. A row that is not there, or not complete, is ErrNotFound:
// this store may not have read so far.
func (s *Store) Rows(ctx context.Context, keys []RowKey, partner string) ([]CDR, error) {
	var out, legs []CDR
	var of events.CallID
	for _, k := range keys {
		if k.Call != of || legs == nil {
			var err error
			if legs, err = s.legs(ctx, k.Call); err != nil {
				return nil, fmt.Errorf("read CDRs: %w", err)
			}
			of = k.Call
		}
		i := slices.IndexFunc(legs, func(c CDR) bool { return c.Leg == k.Leg })
		if i < 0 || legs[i].State == Pending {
			return nil, fmt.Errorf("CDR %s leg %d: %w", k.Call, k.Leg, ErrNotFound)
		}
		row := legs[i]
		if partner != "" {
			var own bool
			if row, own = row.ForPartner(partner); !own {
				return nil, fmt.Errorf("CDR %s leg %d is not of %s: %w", k.Call, k.Leg, partner, ErrInvalid)
			}
		}
		out = append(out, row)
	}
	return out, nil
}
