package archive

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tollbook/tollbook/media/rsync"
)

// SyncConfig says whose files are copied here, and how.
type SyncConfig struct {
	// Peers are those that are copied from now; it is asked again and again, since nodes
	// come and go.
	Peers func() []Peer
	// Identity is shown to the peers and asked of them; nil speaks plainly.
	Identity *rsync.Identity
	// Limiter bounds what all peers together send; nil does not.
	Limiter *rsync.Limiter
	// Parallel bounds the peers that are pulled from at once; 0 is 2.
	Parallel int
	// Every is the time between two looks at a peer; 0 is 5 s.
	Every time.Duration
}

const (
	// wholeEvery is how often all that a peer has is listed, and not the last days only.
	wholeEvery = time.Hour
	// recentDays are the days that are looked at each time: a call that began
	// yesterday may end today, and longer ones are found by the whole look.
	recentDays = 2
	// A peer that fails is left alone for twice as long each time, up to this.
	againMost = time.Minute
	// A file that came out wrong so often is left alone until the next whole look.
	maxWrong = 3
)

// Sync copies the peers' files here until ctx ends. What a limit would remove again
// is not copied, and nothing while there is no space.
func (s *Store) Sync(ctx context.Context, c SyncConfig) error {
	if c.Parallel == 0 {
		c.Parallel = 2
	}
	if c.Every == 0 {
		c.Every = 5 * time.Second
	}
	s.peers.Store(&c)
	places := make(chan struct{}, c.Parallel)
	var running sync.WaitGroup
	defer running.Wait()
	followed := map[Peer]context.CancelFunc{}
	for {
		now := c.Peers()
		for p, stop := range followed {
			if !slices.Contains(now, p) {
				stop()
				delete(followed, p)
			}
		}
		for _, p := range now {
			if followed[p] == nil {
				var peer context.Context
				peer, followed[p] = context.WithCancel(ctx)
				running.Go(func() { s.follow(peer, c, p, places) })
			}
		}
		select {
		case <-ctx.Done():
			for _, stop := range followed {
				stop()
			}
			return nil
		case <-time.After(c.Every):
		}
	}
}

// following is what is known of a peer.
type following struct {
	peer Peer
	// whole is when all of it was listed.
	whole time.Time
	// wrong counts the times that a file came out wrong.
	wrong map[Name]int
}

// follow looks at a peer again and again.
func (s *Store) follow(ctx context.Context, c SyncConfig, p Peer, places chan struct{}) {
	f := &following{peer: p, wrong: map[Name]int{}}
	pause, failing := c.Every, false
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := s.round(ctx, c, f)
		<-places
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if failing {
				s.config.Log.Info("files are copied again", "peer", p.Node)
			}
			pause, failing = c.Every, false
		case !failing:
			s.config.Log.Warn("files could not be copied; tried again", "peer", p.Node, "err", err)
			failing = true
		default:
			pause = min(2*pause, againMost)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// round copies what a peer has made: in the last days, or from time to time ever.
func (s *Store) round(ctx context.Context, c SyncConfig, f *following) error {
	now := s.config.Now()
	if now.Sub(f.whole) >= wholeEvery {
		clear(f.wrong)
		err := s.copyAll(ctx, c, f, f.peer.Node)
		if err == nil || onlyWrong(err) {
			f.whole = now
		}
		return err
	}
	var wrong error
	for back := range recentDays {
		day := now.UTC().AddDate(0, 0, -back).Format("2006/01/02")
		err := s.copyAll(ctx, c, f, f.peer.Node+"/"+day)
		if err != nil && !onlyWrong(err) {
			return err
		}
		wrong = errors.Join(wrong, err)
	}
	return wrong
}

// onlyWrong tells that all came that was asked for, and some of it was wrong.
func onlyWrong(err error) bool {
	var bad *wrongFiles
	return errors.As(err, &bad)
}

// copyAll copies a directory, in as many sessions as it takes.
func (s *Store) copyAll(ctx context.Context, c SyncConfig, f *following, dir string) error {
	var wrong error
	for {
		if s.Full() {
			return ErrFull
		}
		keep, err := s.keeping()
		if err != nil {
			return err
		}
		arrived, more, err := s.copyFrom(ctx, c, f.peer, dir, func(n Name, size int64) bool {
			return f.wrong[n] < maxWrong && !s.Has(n) && keep(n, size)
		})
		var bad *wrongFiles
		if errors.As(err, &bad) {
			for _, n := range bad.names {
				f.wrong[n]++
			}
			wrong, err = err, nil
		}
		if err != nil {
			return err
		}
		if !more || arrived == 0 {
			return wrong
		}
	}
}

// keeping tells of files, the newest first, whether the limits let them stay once
// they are here.
func (s *Store) keeping() (func(Name, int64) bool, error) {
	limits, now := s.config.Limits(), s.config.Now()
	days, err := s.days()
	if err != nil {
		return nil, err
	}
	oldest := map[Kind]string{}
	for _, day := range days {
		files, err := s.dayFiles(day)
		if err != nil {
			return nil, err
		}
		for _, n := range files {
			if oldest[n.Kind] == "" {
				oldest[n.Kind] = n.Base()
			}
		}
		if len(oldest) == len(kinds) {
			break
		}
	}
	var coming [Workbook + 1]int64
	return func(n Name, size int64) bool {
		age, bytes := limits.of(n.Kind)
		if age > 0 && now.Sub(n.Time()) > age {
			return false
		}
		// Where there is no room, only what is younger than the oldest file makes some.
		room := bytes == 0 || s.Held(n.Kind)+coming[n.Kind]+size <= int64(bytes)
		if !room && (oldest[n.Kind] == "" || n.Base() < oldest[n.Kind]) {
			return false
		}
		coming[n.Kind] += size
		return true
	}, nil
}

// lock takes a name for one copy at a time; false if it is taken.
func (s *Store) lock(n Name) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[n] {
		return false
	}
	s.open[n] = true
	return true
}
