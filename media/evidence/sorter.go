package evidence

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/tollbook/tollbook/media/capture"
	"github.com/tollbook/tollbook/media/sdp"
)

const (
	// sortEvery is how often signalling is told apart.
	sortEvery = 50 * time.Millisecond
	// strayFor is how long a message waits for its call: an INVITE comes before its
	// call is there.
	strayFor  = time.Second
	maxStrays = 8 << 20
)

// Wants tells whether anybody is interested in signalling now.
func (k *Keeper) Wants() bool {
	return k.config.HEP != nil || k.config.Captures != nil && k.config.Captures()
}

// Signal takes a SIP message as it stood on the wire, in plain text. stream says that
// it did not come in a datagram.
func (k *Keeper) Signal(from, to netip.AddrPort, stream bool, message []byte, at time.Time) {
	k.signals.put(isSignal, pair{from: from, to: to, stream: stream}, message, at)
}

// sorter brings signalling to the calls that it is about.
type sorter struct {
	keeper *Keeper
	strays []stray
	size   int
}

// stray is a message whose call is not there.
type stray struct {
	pair
	callID string
	data   []byte
	at     time.Time
}

func (s *sorter) run() {
	ticker := time.NewTicker(sortEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.sort(time.Now())
		case <-s.keeper.sorting:
			s.sort(time.Now().Add(strayFor))
			return
		}
	}
}

func (s *sorter) sort(now time.Time) {
	waited := s.strays
	s.strays, s.size = nil, 0
	for _, m := range waited {
		s.one(m.pair, m.callID, m.data, m.at, now)
	}
	b := s.keeper.signals.take()
	defer s.keeper.signals.give(b)
	s.keeper.counts.lost.Add(b.lost)
	for i := range b.entries {
		e := &b.entries[i]
		data := sdp.HideKeys(b.data(e)) // who reads a capture need not be able to decrypt what passed
		if callID := callIDOf(data); callID != "" {
			s.one(b.pairs[e.pair], callID, data, e.at, now)
		}
	}
}

func (s *sorter) one(p pair, callID string, data []byte, at, now time.Time) {
	k := s.keeper
	k.mu.Lock()
	calls := slices.Clone(k.byCallID[callID])
	k.mu.Unlock()
	if len(calls) == 0 && now.Sub(at) < strayFor && s.size+len(data) < maxStrays {
		s.strays = append(s.strays, stray{p, callID, bytes.Clone(data), at})
		s.size += len(data)
		return
	}
	correlation, captured := callID, false
	info := isInfo(data)
	for _, c := range calls {
		if info && c.hushed(at) {
			return
		}
		captured = c.signal(p, data, at) || captured
		correlation = c.id.String()
	}
	if hep := k.config.HEP; hep != nil && (k.config.HEPAll || captured) {
		hep.Send(capture.HEP{
			From: p.from, To: p.to, Stream: p.stream, At: at, Kind: capture.HEPSip, Payload: data, Correlation: correlation,
		})
	}
}

// callIDOf finds a message's Call-ID, in its long or short name.
func callIDOf(message []byte) string {
	_, rest, _ := bytes.Cut(message, []byte("\n"))
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			return ""
		}
		if c := line[0] | 0x20; c != 'c' && c != 'i' {
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimSpace(name); bytes.EqualFold(name, []byte("call-id")) || bytes.EqualFold(name, []byte("i")) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// isInfo tells whether a message is an INFO, which may bear digits.
func isInfo(message []byte) bool { return bytes.HasPrefix(message, []byte("INFO ")) }
