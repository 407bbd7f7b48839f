package quality

import "github.com/tollbook/tollbook/events/routing"

const (
	quarter = 900
	hour    = 3600
	day     = 86400
)

// history is a pair's last day, in three rings of ever longer slots.
type history struct {
	minutes [15]slot // of 60 s
	fives   [12]slot // of 300 s
	hours   [24]slot // of 3600 s
}

// slot is a span of time; at is its number since 1970.
type slot struct {
	at                            int64
	attempts, answered, effective uint32
	rang                          uint32
	talkMS, pddMS                 uint64
}

func (h *history) add(us int64, q routing.Quality) {
	addTo(h.minutes[:], us/60_000_000, q)
	addTo(h.fives[:], us/300_000_000, q)
	addTo(h.hours[:], us/3_600_000_000, q)
}

// addTo counts in the slot with a number, unless its place has a later one.
func addTo(ring []slot, at int64, q routing.Quality) {
	s := &ring[int(at%int64(len(ring)))]
	if s.at > at {
		return
	}
	if s.at < at {
		*s = slot{at: at}
	}
	s.attempts += uint32(q.Attempts)
	s.answered += uint32(q.Answered)
	s.effective += uint32(q.Effective)
	s.rang += uint32(q.Rang)
	s.talkMS += q.TalkMS
	s.pddMS += q.PDDMS
}

// sum adds up the ring that covers a window.
func (h *history) sum(windowS uint32, nowUS int64) routing.Quality {
	switch windowS {
	case quarter:
		return sumOf(h.minutes[:], nowUS/60_000_000)
	case hour:
		return sumOf(h.fives[:], nowUS/300_000_000)
	default:
		return sumOf(h.hours[:], nowUS/3_600_000_000)
	}
}

func sumOf(ring []slot, now int64) routing.Quality {
	var q routing.Quality
	for i := range ring {
		s := &ring[i]
		if s.at <= now-int64(len(ring)) {
			continue
		}
		q = q.Plus(routing.Quality{
			Attempts: uint64(s.attempts), Answered: uint64(s.answered), Effective: uint64(s.effective),
			TalkMS: s.talkMS, Rang: uint64(s.rang), PDDMS: s.pddMS,
		})
	}
	return q
}
