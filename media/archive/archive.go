// Package archive keeps the files that calls leave behind: recordings (WAV) and
// captures (pcap). It gives them names, counts their bytes and hashes them, says
// each one as an event, and removes them when they are too old or too many. A disk
// that is full ends files and stops new ones, never a call.
//
// The directory has two parts on one file system:
//
//	part/<call>-<part>.wav.part             what is being written
//	part/<node>/<call>-<part>.wav.part      what is being copied from another node
//	files/<node>/2026/11/22/<call>-<part>.wav   what is finished
//	files/<node>/2026/11/22/SHA256SUMS      its hashes, as sha256sum(1) has them
//
// Everything below files is final, so that it may be copied at any time. A name
// tells nothing of a call but its id, which tells the time.
package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollbook/tollbook/events/wire"
)

// Kind says what a file holds.
type Kind uint8

const (
	// Recording is the sound of a call, a WAV file.
	Recording Kind = iota + 1
	// Capture is the packets of a call, a pcap file.
	Capture
	// Table is a list that a job has written, a CSV file, and Workbook one in XLSX: the
	// job's id stands for the call's.
	Table
	Workbook
)

// kinds are all there are.
var kinds = [...]Kind{Recording, Capture, Table, Workbook}

// String is the kind's word.
func (k Kind) String() string { return [...]string{"", "recording", "capture", "table", "workbook"}[k] }

func (k Kind) extension() string { return [...]string{"", ".wav", ".pcap", ".csv", ".xlsx"}[k] }

// Export tells whether it is what a job has written.
func (k Kind) Export() bool { return k == Table || k == Workbook }

var (
	// ErrFull says that no new files are taken: there are too many at once, or the
	// disk has less space than the floor, or refused to be written to.
	ErrFull = errors.New("archive: no space for new files")
	// ErrExists says that a call has this part already.
	ErrExists = errors.New("archive: there is such a file")
	// ErrNotFound says that there is no such file here.
	ErrNotFound = errors.New("archive: no such file")
	// ErrClosed says that the store, or the file, is closed.
	ErrClosed = errors.New("archive: closed")
)

// Config says where files are kept and who hears of them. Dir, Node and Record are
// required.
type Config struct {
	// Dir is the directory; it is made if need be.
	Dir string
	// Node is this node's name.
	Node string
	// Limits bound what is kept, asked anew at each look.
	Limits func() Limits
	// FloorBytes is the free space below which no new file is begun.
	FloorBytes uint64
	// Open bounds the files that are being written at once; 0 is 4096.
	Open int
	// Look is how often the free space is looked at; 0 is 2 s.
	Look time.Duration
	// Record writes events down and returns when they are durable.
	Record func(context.Context, ...*wire.Event) error
	// Expected is the hash in a file's event, if that is known here; it may be nil.
	Expected func(context.Context, Name) (sum [sha256.Size]byte, known bool, err error)
	Now      func() time.Time
	Log      *slog.Logger
}

// Limits bound what is kept; the oldest go first. 0 is no limit.
type Limits struct {
	RecordingAge, CaptureAge, ExportAge time.Duration
	RecordingBytes, CaptureBytes        uint64
}

func (l Limits) of(k Kind) (time.Duration, uint64) {
	switch k {
	case Recording:
		return l.RecordingAge, l.RecordingBytes
	case Capture:
		return l.CaptureAge, l.CaptureBytes
	default:
		return l.ExportAge, 0
	}
}

// Store is the directory of one node. Its methods may be called from many
// goroutines.
type Store struct {
	config Config
	shelf  chan shelved
	ended  chan struct{}

	mu sync.Mutex
	// open are the files that are being written or fetched.
	open   map[Name]bool
	closed bool
	finish sync.WaitGroup // Finish calls that have not reached the shelf

	// shelves is held while files and directories below the tree come or go.
	shelves sync.Mutex
	full    atomic.Bool
	space   chan string // why the disk was found to be full, from a file's writer
	held    held
	// peers are set by Sync, fetching bounds the fetches on demand.
	peers    atomic.Pointer[SyncConfig]
	fetching chan struct{}
}

// Open opens a directory. Recover is to be called before the first Create, and
// Watch run beside it.
func Open(c Config) (*Store, error) {
	if c.Open == 0 {
		c.Open = 4096
	}
	if c.Look == 0 {
		c.Look = 2 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Limits == nil {
		c.Limits = func() Limits { return Limits{} }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		config: c, open: map[Name]bool{}, shelf: make(chan shelved, shelfLength),
		ended: make(chan struct{}), space: make(chan string, 1), fetching: make(chan struct{}, maxFetches),
	}
	for _, dir := range []string{s.parts(), filepath.Join(s.Tree(), c.Node)} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, fmt.Errorf("open the archive of files: %w", err)
		}
	}
	if err := s.count(); err != nil {
		return nil, fmt.Errorf("open the archive of files: %w", err)
	}
	s.full.Store(s.scarce() != "")
	go s.shelve()
	return s, nil
}

// Tree is the directory with what is finished: a directory for each node.
func (s *Store) Tree() string { return filepath.Join(s.config.Dir, "files") }

func (s *Store) parts() string { return filepath.Join(s.config.Dir, "part") }

// Create begins a file of a call. Part tells several files of one kind and call
// apart and counts from 1. The errors: ErrFull, ErrExists, ErrClosed, and those of
// the disk.
func (s *Store) Create(kind Kind, call string, part int) (*File, error) {
	name, err := s.name(kind, call, part)
	if err != nil {
		return nil, err
	}
	if s.full.Load() {
		return nil, ErrFull
	}
	if err := s.reserve(name); err != nil {
		return nil, err
	}
	f, err := s.create(name)
	if err != nil {
		s.release(name)
		return nil, err
	}
	return f, nil
}

func (s *Store) create(name Name) (*File, error) {
	if _, err := os.Lstat(s.path(name)); err == nil {
		return nil, fmt.Errorf("%w: %s", ErrExists, name)
	}
	f, err := os.OpenFile(s.partOf(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	switch {
	case errors.Is(err, os.ErrExist):
		return nil, fmt.Errorf("%w: %s", ErrExists, name)
	case err != nil:
		s.refused(err)
		return nil, fmt.Errorf("begin %s: %w", name, err)
	}
	return &File{store: s, name: name, file: f}, nil
}

// reserve takes one of the places for open files.
func (s *Store) reserve(name Name) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.open[name]:
		return fmt.Errorf("%w: %s", ErrExists, name)
	case len(s.open) >= s.config.Open:
		return ErrFull
	}
	s.open[name] = true
	return nil
}

func (s *Store) release(name Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, name)
}

// Close puts on the shelf what is finished. Files that are still open stay as they
// are, for Recover to find.
func (s *Store) Close() {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if !closed {
		s.finish.Wait()
		close(s.shelf)
	}
	<-s.ended
}
