package ledger

import (
	"encoding/binary"

	"github.com/tollbook/tollbook/events"
)

// What each thing is hashed as: a letter for its kind, then its fields, strings
// and bytes with their lengths, numbers in eight bytes.

type encoder []byte

func (e *encoder) text(s string) *encoder {
	*e = binary.AppendUvarint(*e, uint64(len(s)))
	*e = append(*e, s...)
	return e
}

func (e *encoder) number(n int64) *encoder {
	*e = binary.BigEndian.AppendUint64(*e, uint64(n))
	return e
}

func begin(kind byte) *encoder {
	e := make(encoder, 1, 160)
	e[0] = kind
	return &e
}

func (a *Account) encoding() []byte {
	return *begin('a').text(a.ID).text(string(a.Currency)).
		number(int64(a.Posted)).number(int64(a.Held)).number(int64(a.Calls))
}

// What a hold was placed with never changes and is named by its position.
func (h *Hold) encoding(id events.CallID) []byte {
	e := begin('h').text(string(id[:])).text(h.Node).
		number(int64(h.Position)).number(h.PaidMs).number(h.ExpiresAtUs)
	for _, l := range h.Lines {
		e.text(l.Payer).number(l.AmountMicro)
	}
	return *e
}

func (c *Closed) encoding(id events.CallID) []byte {
	return *begin('c').text(string(id[:])).text(c.Figures).text(c.Contested).
		number(c.AtUS).number(int64(c.Position))
}

func (k *Known) encoding(id events.Key) []byte {
	reversed := int64(0)
	if k.Reversed {
		reversed = 1
	}
	return *begin('k').text(string(id[:])).text(k.InputsHash).number(int64(k.Position)).number(reversed)
}

// Resum computes the hash anew from everything in the state.
func (s *State) Resum() events.Sum {
	var sum events.Sum
	for _, a := range s.accounts {
		sum.Add(a.encoding())
	}
	for id, h := range s.holds {
		sum.Add(h.encoding(id))
	}
	for id, c := range s.closed {
		sum.Add(c.encoding(id))
	}
	for id, k := range s.keys {
		sum.Add(k.encoding(id))
	}
	for _, p := range s.periods {
		sum.Add(periodEncoding(p))
	}
	for node, last := range s.offline {
		sum.Add(offlineEncoding(node, last))
	}
	for key := range s.raised {
		sum.Add(key.encoding())
	}
	return sum
}
