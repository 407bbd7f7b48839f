package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events/wire"
)

// Sweep removes what is too old, and then of each kind that has too many bytes the
// oldest, copies of other nodes' files like our own. Each removal is an event,
// durable before the file goes.
func (s *Store) Sweep(ctx context.Context) error {
	limits, now := s.config.Limits(), s.config.Now()
	days, err := s.days()
	if err != nil {
		return fmt.Errorf("sweep old files: %w", err)
	}
	for _, day := range days {
		if !s.wanting(limits, now, day) {
			break // everything behind is younger
		}
		if err := s.sweepDay(ctx, limits, now, day); err != nil {
			return fmt.Errorf("sweep old files: %w", err)
		}
	}
	return nil
}

// wanting tells whether a day may have files to remove.
func (s *Store) wanting(l Limits, now time.Time, day string) bool {
	for _, k := range kinds {
		age, bytes := l.of(k)
		if age > 0 && day <= now.Add(-age).UTC().Format("2006/01/02") {
			return true
		}
		if bytes > 0 && s.Held(k) > int64(bytes) {
			return true
		}
	}
	return false
}

// days are the days that have directories, oldest first, whatever the node.
func (s *Store) days() ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(s.Tree(), "*", "[0-9][0-9][0-9][0-9]", "[0-9][0-9]", "[0-9][0-9]"))
	if err != nil {
		return nil, err
	}
	var days []string
	for _, p := range paths {
		rel, err := filepath.Rel(s.Tree(), p)
		if err != nil {
			return nil, err
		}
		_, day, _ := strings.Cut(filepath.ToSlash(rel), "/")
		days = append(days, day)
	}
	slices.Sort(days)
	return slices.Compact(days), nil
}

// sweepDay removes a day's files as far as need be, oldest first.
func (s *Store) sweepDay(ctx context.Context, l Limits, now time.Time, day string) error {
	files, err := s.dayFiles(day)
	if err != nil {
		return err
	}
	for _, n := range files {
		why := wire.RemovalReason_REMOVAL_REASON_UNSPECIFIED
		age, bytes := l.of(n.Kind)
		if age > 0 && now.Sub(n.Time()) > age {
			why = wire.RemovalReason_REMOVAL_REASON_AGE
		} else if bytes > 0 && s.Held(n.Kind) > int64(bytes) {
			why = wire.RemovalReason_REMOVAL_REASON_SIZE
		}
		if why == 0 {
			continue
		}
		if err := s.Remove(ctx, n, why, "", ""); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return s.clear(day)
}

// dayFiles are a day's files of all nodes, oldest first.
func (s *Store) dayFiles(day string) ([]Name, error) {
	paths, err := filepath.Glob(filepath.Join(s.Tree(), "*", filepath.FromSlash(day), "*"))
	if err != nil {
		return nil, err
	}
	var out []Name
	for _, p := range paths {
		rel, err := filepath.Rel(s.Tree(), p)
		if err != nil {
			return nil, err
		}
		if n, err := ParseName(filepath.ToSlash(rel)); err == nil {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b Name) int { return strings.Compare(a.Base(), b.Base()) })
	return out, nil
}

// clear removes a day's directories that have no files any more but the hashes.
func (s *Store) clear(day string) error {
	s.shelves.Lock()
	defer s.shelves.Unlock()
	dirs, err := filepath.Glob(filepath.Join(s.Tree(), "*", filepath.FromSlash(day)))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		if len(entries) > 1 || len(entries) == 1 && entries[0].Name() != Sums {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		for up := filepath.Dir(dir); up != s.Tree() && filepath.Dir(up) != s.Tree(); up = filepath.Dir(up) {
			if os.Remove(up) != nil { // not empty
				break
			}
		}
	}
	return nil
}

// Remove takes a file off this node's disk and says so, by whom and why. The errors:
// ErrNotFound, and those of recording and of the disk.
func (s *Store) Remove(ctx context.Context, n Name, why wire.RemovalReason, actor, note string) error {
	path := s.path(n)
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNotFound, n)
	}
	if err != nil {
		return err
	}
	err = s.config.Record(ctx, &wire.Event{
		Actor: actor, Correlation: n.Call[:],
		Body: &wire.Event_FileRemoved{FileRemoved: &wire.FileRemoved{
			Call: n.Call[:], Part: uint32(n.Part), Kind: n.Kind.wire(), Name: n.Below(), Node: n.Node,
			Holder: s.config.Node, Why: why, Note: note,
		}},
	})
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	s.held.add(n.Kind, -info.Size())
	return nil
}
