package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// fetchWithin bounds a file's fetch on demand, maxFetches how many go on at once.
	fetchWithin = 5 * time.Minute
	maxFetches  = 4
	// fetchPoll is how often a fetch looks whether another one has brought its file.
	fetchPoll = 50 * time.Millisecond
)

// Has tells whether a file is on the shelf.
func (s *Store) Has(n Name) bool {
	info, err := os.Lstat(s.path(n))
	return err == nil && info.Mode().IsRegular()
}

// OpenFile opens a file for reading, or says ErrNotFound.
func (s *Store) OpenFile(n Name) (*os.File, error) {
	f, err := os.Open(s.path(n))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, n)
	}
	return f, err
}

// Fetch brings a file here that has not arrived: from its own node, or from another
// that has a copy. It is checked before it is there. The errors: ErrNotFound if no
// peer has it, and why peers could not be asked.
func (s *Store) Fetch(ctx context.Context, n Name) error {
	return s.fetch(ctx, n, func() bool { return s.Has(n) })
}

// Mend replaces a file that is damaged by a whole one from a peer; only what is
// wrong in it is sent. One that cannot be mended stays as it is.
func (s *Store) Mend(ctx context.Context, n Name) error {
	err := s.damaged(ctx, n)
	var bad *damage
	switch {
	case err == nil:
		return nil
	case errors.As(err, &bad):
		s.mismatch(ctx, n, bad.want, bad.got)
		err = s.seed(n)
	case errors.Is(err, os.ErrNotExist):
		err = nil
	}
	if err != nil {
		return fmt.Errorf("mend %s: %w", n, err)
	}
	return s.fetch(ctx, n, func() bool { return s.damaged(ctx, n) == nil })
}

// damage is a file that does not have its hash.
type damage struct{ want, got [sha256.Size]byte }

func (d *damage) Error() string { return fmt.Sprintf("its hash is %x and should be %x", d.got, d.want) }

// seed makes a damaged file the beginning of its copy.
func (s *Store) seed(n Name) (err error) {
	if !s.lock(n) {
		return nil // it is on its way
	}
	defer s.release(n)
	from, err := os.Open(s.path(n))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := os.MkdirAll(filepath.Dir(s.arriving(n)), 0o750); err != nil {
		return err
	}
	to, err := os.Create(s.arriving(n))
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// damaged compares a file with its hash. The errors: a damage, ErrNotExist, and
// those of the disk.
func (s *Store) damaged(ctx context.Context, n Name) error {
	got, _, err := SumFile(s.path(n))
	if err != nil {
		return err
	}
	want, known, err := s.expected(ctx, n)
	if err == nil && known && got != want {
		err = &damage{want, got}
	}
	return err
}

// SumFile is a file's SHA-256, and how many bytes it has.
func SumFile(path string) (sum [sha256.Size]byte, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, 0, err
	}
	hash := sha256.New()
	size, err = io.Copy(hash, f)
	return [sha256.Size]byte(hash.Sum(nil)), size, errors.Join(err, f.Close())
}

func (s *Store) fetch(ctx context.Context, n Name, there func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	select {
	case s.fetching <- struct{}{}:
		defer func() { <-s.fetching }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for !there() {
		busy, err := s.fetchOnce(ctx, n)
		if err != nil {
			return fmt.Errorf("fetch %s: %w", n, err)
		}
		if !busy {
			continue
		}
		select { // it is on its way already
		case <-time.After(fetchPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// fetchOnce asks the peers, the file's own node first. Busy says that somebody else
// is bringing the file.
func (s *Store) fetchOnce(ctx context.Context, n Name) (busy bool, err error) {
	c := s.peers.Load()
	if c == nil {
		return false, ErrNotFound
	}
	peers := slices.Clone(c.Peers())
	slices.SortStableFunc(peers, func(a, b Peer) int { return order(b.Node == n.Node) - order(a.Node == n.Node) })
	for _, p := range peers {
		there := false
		arrived, _, askErr := s.copyFrom(ctx, *c, p, n.Dir(), func(other Name, _ int64) bool {
			there = there || other == n
			return other == n
		})
		switch {
		case arrived > 0:
			return false, nil
		case askErr != nil:
			err = errors.Join(err, fmt.Errorf("ask %s: %w", p.Node, askErr))
		case there:
			return true, nil
		}
	}
	if err == nil {
		err = ErrNotFound
	}
	return false, err
}

func order(first bool) int {
	if first {
		return 1
	}
	return 0
}
