package relay

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// heardTap keeps what a tap is told.
type heardTap struct {
	mu      sync.Mutex
	packets [][]byte
	notes   []string
}

func (h *heardTap) Packet(side Side, rtcp bool, packet []byte, from, to netip.AddrPort, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.packets = append(h.packets, bytes.Clone(packet))
	h.notes = append(h.notes, fmt.Sprintf("%v rtcp=%v %v>%v %v", side, rtcp, from, to, !at.IsZero()))
}

func (h *heardTap) Formats(side Side, formats []PayloadType) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, fmt.Sprintf("%v %v", side, formats))
}

func (h *heardTap) said() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.notes)
}

// A tap hears what is accepted from both sides, and nothing of a third address.
func TestTapHearsWhatIsAccepted(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b, thief := newPhone(t), newPhone(t), newPhone(t)
		c := newCall(t, e, a, nil)
		tap := &heardTap{}
		c.SetTap(tap)
		if err := c.SetRemote(B, b.remote()); err != nil {
			t.Fatal(err)
		}
		formats := "[{8  0} {101 telephone-event 8000}]"
		want := []string{"A " + formats, "B " + formats}

		thief.say(c.Local(A))
		eventually(t, "a drop", func() bool { return c.Stats(A).Dropped.Total() == 1 })
		sent := a.packet(8)
		a.send(a.media, sent, c.Local(A))
		b.hear(b.media)
		want = append(want, fmt.Sprintf("A rtcp=false %v>%v true", addrOf(a.media), c.Local(A)))
		b.send(b.ctrl, receiverReportOf(1), above(c.Local(B)))
		a.hear(a.ctrl)
		want = append(want, fmt.Sprintf("B rtcp=true %v>%v true", addrOf(b.ctrl), above(c.Local(B))))

		c.SetTap(nil)
		a.say(c.Local(A))
		b.hear(b.media)
		if got := tap.said(); !slices.Equal(got, want) {
			t.Errorf("heard\n%v, want\n%v", got, want)
		}
		if !bytes.Equal(tap.packets[0], sent) {
			t.Error("the packet is another one")
		}
	})
}
