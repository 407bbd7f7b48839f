package journal

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
)

// Memory is a Store in memory, for tests and for dry runs.
type Memory struct {
	name     string
	identity string
	single   bool

	mu       sync.Mutex
	messages []Message
	last     uint64
	ids      map[string]uint64
	feeds    map[chan Message]string
}

// NewMemory makes an empty stream for the given subject: with a wildcard at its
// end, as in "log.>", the expected sequence counts per subject.
func NewMemory(name, subject string) *Memory {
	return &Memory{
		name:     name,
		identity: rand.Text(),
		single:   !strings.HasSuffix(subject, ".>"),
		ids:      map[string]uint64{},
		feeds:    map[chan Message]string{},
	}
}

// Name is the stream's name.
func (s *Memory) Name() string { return s.name }

// Identity is drawn when the stream is made.
func (s *Memory) Identity() string { return s.identity }

// Append stores a message.
func (s *Memory) Append(ctx context.Context, a Append) (Ack, error) {
	if err := ctx.Err(); err != nil {
		return Ack{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.last
	if !s.single {
		end = 0
		if i := s.lastOf(a.Subject); i >= 0 {
			end = s.messages[i].Sequence
		}
	}
	if end != a.Expect {
		return Ack{}, fmt.Errorf("%w: expected %d, is %d", ErrExpected, a.Expect, end)
	}
	if seq, ok := s.ids[a.ID]; ok {
		return Ack{Sequence: seq, Duplicate: true}, nil
	}
	s.last++
	m := Message{Subject: a.Subject, Sequence: s.last, ID: a.ID, Data: slices.Clone(a.Data)}
	s.messages = append(s.messages, m)
	s.ids[a.ID] = m.Sequence
	for feed, subject := range s.feeds {
		if subject == a.Subject {
			select {
			case feed <- m:
			default: // A slow receiver reads instead.
			}
		}
	}
	return Ack{Sequence: m.Sequence}, nil
}

func (s *Memory) lastOf(subject string) int {
	for i := len(s.messages) - 1; i >= 0; i-- {
		if s.messages[i].Subject == subject {
			return i
		}
	}
	return -1
}

// Next is the first message at or after a sequence.
func (s *Memory) Next(ctx context.Context, subject string, from uint64) (Message, error) {
	found, err := s.read(ctx, subject, from, 1)
	if err != nil {
		return Message{}, err
	}
	if len(found) == 0 {
		return Message{}, fmt.Errorf("%s after sequence %d: %w", subject, from, ErrNoMessage)
	}
	return found[0], nil
}

// Last is the subject's last message.
func (s *Memory) Last(ctx context.Context, subject string) (Message, error) {
	if err := ctx.Err(); err != nil {
		return Message{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.lastOf(subject)
	if i < 0 {
		return Message{}, fmt.Errorf("last of %s: %w", subject, ErrNoMessage)
	}
	return s.messages[i], nil
}

// Read gives a batch of messages.
func (s *Memory) Read(ctx context.Context, subject string, from uint64) ([]Message, error) {
	return s.read(ctx, subject, from, batchMessages)
}

func (s *Memory) read(ctx context.Context, subject string, from uint64, limit int) ([]Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	first := sort.Search(len(s.messages), func(i int) bool { return s.messages[i].Sequence >= from })
	for _, m := range s.messages[first:] {
		if m.Subject == subject && len(out) < limit {
			out = append(out, m)
		}
	}
	return out, nil
}

// Subjects are the subjects with messages.
func (s *Memory) Subjects(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, m := range s.messages {
		out = append(out, m.Subject)
	}
	slices.Sort(out)
	return slices.Compact(out), ctx.Err()
}

// State is the stream's extent.
func (s *Memory) State(ctx context.Context) (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{First: s.last + 1, Last: s.last, Messages: uint64(len(s.messages))}
	if len(s.messages) > 0 {
		st.First = s.messages[0].Sequence
	}
	return st, ctx.Err()
}

// Live starts a feed.
func (s *Memory) Live(subject string) (Live, error) {
	feed := make(chan Message, liveQueue)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feeds[feed] = subject
	stop := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.feeds, feed)
	}
	return Live{C: feed, Stop: stop}, nil
}

// Purge removes the subject's messages before a sequence, but not its last.
func (s *Memory) Purge(ctx context.Context, subject string, before uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.lastOf(subject)
	kept := s.messages[:0:0]
	for i, m := range s.messages {
		if m.Subject != subject || m.Sequence >= before || i == last {
			kept = append(kept, m)
		}
	}
	s.messages = kept
	return ctx.Err()
}
