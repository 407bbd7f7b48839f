package ledger

import (
	"encoding/binary"

	"github.com/tollbook/tollbook/events"
)

// What each thing is hashed as: a letter for its kind, then its fields, strings
// and bytes with their lengths, numbers in eight bytes.

type encoder []byte

func (e encoder) text(s string) encoder {
	return append(binary.AppendUvarint(e, uint64(len(s))), s...)
}

func (e encoder) bytes(b []byte) encoder {
	return append(binary.AppendUvarint(e, uint64(len(b))), b...)
}

func (e encoder) number(n int64) encoder {
	return binary.BigEndian.AppendUint64(e, uint64(n))
}

// scratch is room for one encoding. What it holds is hashed before the next.
type scratch [256]byte

func (s *scratch) begin(kind byte) encoder { return append(s[:0], kind) }

func (a *Account) encoding(in *scratch) []byte {
	return in.begin('a').text(a.ID).text(string(a.Currency)).
		number(int64(a.Posted)).number(int64(a.Held)).number(int64(a.Calls))
}

// What a hold was placed with never changes and is named by its position.
func (h *Hold) encoding(in *scratch, id events.CallID) []byte {
	e := in.begin('h').bytes(id[:]).text(h.Node).
		number(int64(h.Position)).number(h.PaidMs).number(h.ExpiresAtUs)
	if h.Candidate > 0 {
		e = e.number(int64(h.Candidate))
	}
	for _, l := range h.Lines {
		e = e.text(l.Payer).number(l.AmountMicro)
		if l.Package != "" {
			e = e.text(l.Package).number(l.PackageMicro)
		}
	}
	return e
}

func (c *Closed) encoding(in *scratch, id events.CallID) []byte {
	return in.begin('c').bytes(id[:]).text(c.Figures).text(c.Contested).
		number(c.AtUS).number(int64(c.Position))
}

func (k *Known) encoding(in *scratch, id events.Key) []byte {
	reversed := int64(0)
	if k.Reversed {
		reversed = 1
	}
	return in.begin('k').bytes(id[:]).text(k.InputsHash).number(int64(k.Position)).number(reversed)
}

// Resum computes the hash anew from everything in the state.
func (s *State) Resum() events.Sum {
	var sum events.Sum
	in := new(scratch)
	for _, a := range s.accounts {
		sum.Add(a.encoding(in))
	}
	for id, h := range s.holds {
		sum.Add(h.encoding(in, id))
	}
	for id, c := range s.closed {
		sum.Add(c.encoding(in, id))
	}
	for id, k := range s.keys {
		sum.Add(k.encoding(in, id))
	}
	for _, p := range s.periods {
		sum.Add(periodEncoding(in, p))
	}
	for node, last := range s.offline {
		sum.Add(offlineEncoding(in, node, last))
	}
	for key := range s.raised {
		sum.Add(key.encoding(in))
	}
	return sum
}
