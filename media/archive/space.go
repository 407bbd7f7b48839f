package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tollbook/tollbook/events/wire"
)

const (
	// sweepEvery is how often old files are looked for.
	sweepEvery = time.Minute
	// refusedFor is how long a disk that refused to be written to is left alone.
	refusedFor = 30 * time.Second
)

// held counts the bytes on the shelves, by kind.
type held [Workbook + 1]atomic.Int64

func (h *held) add(k Kind, bytes int64) { h[k].Add(bytes) }

// Held is how many bytes of finished files of a kind lie here, copies included.
func (s *Store) Held(k Kind) int64 { return s.held[k].Load() }

// count adds up what lies on the shelves.
func (s *Store) count() error {
	return filepath.WalkDir(s.Tree(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		for _, k := range kinds {
			if strings.HasSuffix(path, k.extension()) {
				info, err := d.Info()
				if errors.Is(err, fs.ErrNotExist) {
					return nil
				}
				if err != nil {
					return err
				}
				s.held.add(k, info.Size())
			}
		}
		return nil
	})
}

// Full tells that no new files are begun.
func (s *Store) Full() bool { return s.full.Load() }

// scarce says why there is no room for new files, "" if there is.
func (s *Store) scarce() string {
	free, known := freeBytes(s.config.Dir)
	if known && free < s.config.FloorBytes {
		return fmt.Sprintf("%d bytes are free, less than the floor of %d", free, s.config.FloorBytes)
	}
	return ""
}

// refused takes note of an error of the disk. From here on no new files are begun,
// until Watch finds that there is space again.
func (s *Store) refused(err error) {
	s.full.Store(true)
	why := "the disk refuses to be written to: " + err.Error()
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		why = "the disk is full"
	}
	select {
	case s.space <- why:
	default: // Watch has been told already
	}
}

// Watch looks after the space until ctx ends: it says once that new files are not
// begun any more and once that they are again, and removes what is too old or too
// much.
func (s *Store) Watch(ctx context.Context) error {
	look := time.NewTicker(s.config.Look)
	defer look.Stop()
	var swept, refused time.Time
	said := false
	for {
		var why string
		select {
		case <-ctx.Done():
			return nil
		case why = <-s.space:
			refused = s.config.Now()
		case <-look.C:
			why = s.scarce()
			if why == "" && !refused.IsZero() && s.config.Now().Sub(refused) < refusedFor {
				continue
			}
		}
		if now := s.config.Now(); now.Sub(swept) >= sweepEvery || why != "" && !said {
			swept = now
			if err := s.Sweep(ctx); err != nil {
				s.config.Log.Error("old files could not be removed", "err", err)
			}
		}
		said = s.tell(ctx, said, why)
	}
}

// tell opens or closes the door for new files, and says so when that is news.
func (s *Store) tell(ctx context.Context, said bool, why string) bool {
	full := why != ""
	s.full.Store(full)
	if full == said {
		return said
	}
	free, _ := freeBytes(s.config.Dir)
	if full {
		s.config.Log.Error("no new recordings and captures are begun", "why", why, "free_bytes", free)
	} else {
		s.config.Log.Info("recordings and captures are begun again", "free_bytes", free)
	}
	err := s.config.Record(ctx, &wire.Event{Body: &wire.Event_FileStorageChanged{FileStorageChanged: &wire.FileStorageChanged{
		Node: s.config.Node, Full: full, Reason: why, FreeBytes: free,
	}}})
	if err != nil {
		s.config.Log.Error("the state of the disk could not be recorded", "err", err)
		return said // tried again at the next look
	}
	return full
}
