package traffic

import (
	"maps"
	"sync"
)

// Counts are the calls of one customer or vendor.
type Counts struct {
	// Attempts were placed or came in.
	Attempts uint64
	// Active are not over yet.
	Active int
	// Answered were answered by 200 and acknowledged.
	Answered uint64
	// Completed were answered and ended by this side.
	Completed uint64
	// CutOff were answered and ended by the far side.
	CutOff uint64
	// Cancelled were given up by the caller before an answer.
	Cancelled uint64
	// Failed were refused, by SIP code: 408 stands for no answer from the far
	// side's SIP, 0 for a local error.
	Failed map[int]uint64
	// PacketsSent and PacketsReceived count RTP of the calls that are over.
	PacketsSent, PacketsReceived uint64
}

// tally guards counts.
type tally struct {
	mu     sync.Mutex
	counts Counts
}

func (t *tally) add(change func(c *Counts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts.Failed == nil {
		t.counts.Failed = make(map[int]uint64)
	}
	change(&t.counts)
}

func (t *tally) read() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.Failed = maps.Clone(c.Failed)
	return c
}

// finish stops a stream and counts its packets with the end of its call.
func (t *tally) finish(s *stream) {
	s.stop()
	t.add(func(c *Counts) {
		c.Active--
		c.PacketsSent += s.sent.Load()
		c.PacketsReceived += s.received.Load()
	})
}
