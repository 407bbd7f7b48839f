package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tollbook/tollbook/events/wire"
)

const (
	// shelfLength is how many finished files wait for their place; then Finish waits.
	shelfLength = 1024
	// shelfBatch is how many are said in one go.
	shelfBatch = 256
	// recordAgain is the pause before events that could not be recorded are tried again.
	recordAgain = time.Second
	// Sums is the name of the file with a day's hashes.
	Sums = "SHA256SUMS"
)

// shelved is a file that is finished and hashed.
type shelved struct {
	made  Made
	event *wire.Event
}

// putUp hands a finished file on. A closed store leaves it to Recover.
func (s *Store) putUp(f shelved) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.finish.Add(1)
	s.mu.Unlock()
	defer s.finish.Done()
	s.shelf <- f
	return nil
}

// shelve says the finished files and then puts them where they belong. The event is
// durable first: a crash between the two leaves a file in part, which is said again,
// and never one on the shelf that nobody knows of.
func (s *Store) shelve() {
	defer close(s.ended)
	for first := range s.shelf {
		batch := []shelved{first}
		for more := true; more && len(batch) < shelfBatch; {
			select {
			case f, ok := <-s.shelf:
				if more = ok; ok {
					batch = append(batch, f)
				}
			default:
				more = false
			}
		}
		if !s.say(batch) {
			continue
		}
		for _, f := range batch {
			if err := s.place(f.made, s.partOf(f.made.Name)); err != nil {
				s.config.Log.Error("a finished file did not get its place; the next start tries again", "file", f.made.Name.String(), "err", err)
			}
		}
	}
}

// say records the events. It tries again until the store closes; what was not said
// then is found by Recover.
func (s *Store) say(batch []shelved) bool {
	list := make([]*wire.Event, len(batch))
	for i, f := range batch {
		list[i] = f.event
	}
	for {
		err := s.config.Record(context.Background(), list...)
		if err == nil {
			return true
		}
		s.config.Log.Error("finished files could not be recorded", "files", len(batch), "err", err)
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return false
		}
		time.Sleep(recordAgain)
	}
}

// place writes a file's hash down and gives it its name.
func (s *Store) place(m Made, from string) error {
	s.shelves.Lock()
	defer s.shelves.Unlock()
	path := s.path(m.Name)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if err := addSum(filepath.Join(dir, Sums), fmt.Sprintf("%x  %s\n", m.SHA256, m.Name.Base())); err != nil {
		return err
	}
	if old, err := os.Lstat(path); err == nil { // one that is mended
		s.held.add(m.Name.Kind, -old.Size())
	}
	if err := os.Rename(from, path); err != nil {
		return err
	}
	s.held.add(m.Name.Kind, m.Size)
	return syncDir(dir)
}

// addSum appends a line. One that a crash cut off gets an end first.
func addSum(path, line string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if n := info.Size(); n > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], n-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = "\n" + line
		}
	}
	if _, err := f.WriteString(line); err != nil {
		return err
	}
	return f.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
