package state_test

import (
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// rescuing records a rescue of a book that ended with one block and is known to have had
// another.
func rescuing(kept, heard uint64) *wire.Command {
	return &wire.Command{Body: &wire.Command_RecordRescue{RecordRescue: &wire.StoreRescued{
		Node: "n1", Reason: "two disks burnt", Journals: []*wire.RescuedJournal{
			{Journal: "book", Number: kept, Position: 10 * kept, Head: make([]byte, 32), TimeUs: noon, HeardNumber: heard, HeardPosition: 10 * heard},
			{Journal: "log.calls.n1"},
		},
	}}}
}

// A rescue stays in the state, its hash and its snapshot, and is recorded once.
func TestRescue(t *testing.T) {
	b := start(t, account("a", 0))
	before := b.st.Hash()
	if reply := b.must(rescuing(7, 9)); reply.Repeated {
		t.Error("the first one is a repeat")
	}
	again := rescuing(7, 9)
	if reply := b.must(again); !reply.Repeated || len(b.st.Rescues) != 1 {
		t.Errorf("it is recorded twice: %v", b.st.Rescues)
	}
	b.must(rescuing(8, 9))
	r := b.st.Rescues
	if len(r) != 2 || r[0].Position >= r[1].Position || r[0].Rescued.Journals[0].HeardNumber != 9 {
		t.Errorf("%v", r)
	}
	if b.st.Hash() == before || restored(t, b.st).Hash() != b.st.Hash() || b.st.Rehash() != b.st.Hash() {
		t.Error("the rescues are not in the hash")
	}
	for want, harm := range map[string]func(*wire.StoreRescued){
		"name the node":   func(r *wire.StoreRescued) { r.Node = "" },
		"say why":         func(r *wire.StoreRescued) { r.Reason = strings.Repeat("x", 501) },
		"1 to 500":        func(r *wire.StoreRescued) { r.Journals = nil },
		"not in order":    func(r *wire.StoreRescued) { r.Journals[1].Journal = "book" },
		"less is known":   func(r *wire.StoreRescued) { r.Journals[0].HeardNumber = 6 },
		"less is known o": func(r *wire.StoreRescued) { r.Journals[0].HeardPosition = 6 },
	} {
		c := rescuing(7, 9)
		harm(c.GetRecordRescue())
		reply, _ := b.do(c)
		if code(reply) != events.CodeInvalid || !strings.Contains(reply.Error.Message, want) {
			t.Errorf("%q: %v", want, reply)
		}
	}
}
