package book

import (
	"slices"
	"sync"

	"github.com/tollbook/tollbook/events"
)

// Mark is the hash of the state behind a position. Every node marks the same
// positions: the ends of the seconds of block time.
type Mark struct {
	Position events.Position `json:"position"`
	Hash     string          `json:"hash"`
	// TimeUS is when the block before it was cut.
	TimeUS int64 `json:"time_us,omitempty"`
}

// KeptMarks bounds the marks that are kept: some minutes of a busy book.
const KeptMarks = 256

// Marks are a node's own, the oldest first. They are compared with those of other
// nodes all the time: the same events must give the same state everywhere.
type Marks struct {
	mu   sync.Mutex
	list []Mark
}

func (m *Marks) add(mark Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) >= KeptMarks {
		m.list = slices.Delete(m.list, 0, len(m.list)-KeptMarks+1)
	}
	m.list = append(m.list, mark)
}

// Last gives the newest marks, as many as asked for.
func (m *Marks) Last(n int) []Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.list[max(0, len(m.list)-n):])
}

// Difference is where two folds of the book part: they agreed behind After (0 when no
// common mark says so), and differ behind At.
type Difference struct {
	After, At    events.Position
	Ours, Theirs string
}

// Compare looks at another node's marks. It gives the first difference, nil if there
// is none among the positions that both have, and how many they have in common.
func (m *Marks) Compare(theirs []Mark) (*Difference, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ours := make(map[events.Position]string, len(m.list))
	for _, mark := range m.list {
		ours[mark.Position] = mark.Hash
	}
	var equal events.Position
	common := 0
	for _, t := range theirs {
		hash, ok := ours[t.Position]
		switch {
		case !ok:
			continue
		case hash != t.Hash:
			return &Difference{After: equal, At: t.Position, Ours: hash, Theirs: t.Hash}, common + 1
		}
		equal = t.Position
		common++
	}
	return nil, common
}
