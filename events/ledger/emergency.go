package ledger

import (
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// allowed is how long a call may talk, up to capMS, and what each of its lines
// reserves for that. No lack of money shortens an emergency call: it gets all the
// time that is asked for, and leaves a deficit if it must.
func (s *State) allowed(c *catalog.State, h *wire.HoldPlaced, start rating.Start, capMS int64) (int64, []share, error) {
	if h.Emergency == "" {
		return s.longest(c, h.Lines, start, capMS)
	}
	shares := make([]share, len(h.Lines))
	for i, l := range h.Lines {
		if l.Payer == "" {
			continue
		}
		amount, err := rating.Reserve(l.Sell, start, capMS)
		if err != nil {
			return 0, nil, err
		}
		shares[i].amount = amount
	}
	return capMS, shares, nil
}
