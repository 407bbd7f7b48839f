package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events"
)

func message(t *testing.T, lines ...string) sip.Message {
	t.Helper()
	msg, err := sip.ParseMessage([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if req, ok := msg.(*sip.Request); ok {
		req.SetTransport("UDP")
	}
	return msg
}

func request(t *testing.T, method, callID, tag string) sip.Message {
	t.Helper()
	if tag != "" {
		tag = ";tag=" + tag
	}
	return message(t, method+" sip:1@b SIP/2.0", "Via: SIP/2.0/UDP a;branch=z9hG4bKx", "From: <sip:a@a>;tag=1", "To: <sip:1@b>"+tag,
		"Call-ID: "+callID, "CSeq: 1 "+method, "Content-Length: 0")
}

// switchboard is what a Dispatcher is told.
type switchboard struct {
	loads []Load
	calls map[events.CallID]string
	stays bool
	now   time.Time
}

func (s *switchboard) dispatcher() *Dispatcher {
	return New(Config{
		Node: "n1", Takes: func() []Load { return s.loads }, Stays: func(*sip.Request) bool { return s.stays }, Now: func() time.Time { return s.now },
		Serves: func(id events.CallID) (string, bool) { node, ok := s.calls[id]; return node, ok },
	})
}

// New calls go to nodes by the room that they have, and all of a call goes the same way.
func TestSpread(t *testing.T) {
	s := &switchboard{now: time.Now(), loads: []Load{{"n1", 50, 100}, {"n2", 0, 100}, {"n3", 100, 100}}}
	d, got := s.dispatcher(), map[string]int{}
	for i := range 3000 {
		id := fmt.Sprint("call", i)
		node := d.Place(request(t, "INVITE", id, ""))
		got[node]++
		for _, next := range []string{"INVITE", "CANCEL", "ACK"} {
			if again := d.Place(request(t, next, id, "")); again != node {
				t.Fatalf("the %s of a call on %s goes to %s", next, node, again)
			}
		}
	}
	if got["n3"] != 0 || got["n1"] < 800 || got["n1"] > 1200 || got["n1"]+got["n2"] != 3000 {
		t.Errorf("%v: n1 has half of the room of n2, and n3 none", got)
	}
	s.stays = true
	for i := range 20 {
		if node := d.Place(request(t, "INVITE", fmt.Sprint("ours", i), "")); node != "n1" {
			t.Fatalf("a call that only n1 can take goes to %s", node)
		}
	}
	s.stays, s.loads = false, nil
	if node := d.Place(request(t, "INVITE", "full", "")); node != "n1" {
		t.Errorf("where nobody takes calls they go to %s", node)
	}
}

// What belongs to a call goes where the call is, whatever was before.
func TestCallsStay(t *testing.T) {
	id := events.NewCallID(time.Now(), [10]byte{1})
	s := &switchboard{now: time.Now(), loads: []Load{{"n2", 0, 100}}, calls: map[events.CallID]string{}}
	d := s.dispatcher()
	if node := d.Place(request(t, "INVITE", "theirs", "")); node != "n2" {
		t.Fatal(node)
	}
	for _, in := range []struct{ callID, tag string }{{"theirs", id.String()}, {id.String() + "-1", "vendor"}, {id.String() + "-1", ""}} {
		s.calls[id] = "n3"
		if node := d.Place(request(t, "BYE", in.callID, in.tag)); node != "n3" {
			t.Errorf("%v goes to %s", in, node)
		}
		delete(s.calls, id)
	}
	if node := d.Place(request(t, "ACK", "theirs", id.String())); node != "n2" {
		t.Errorf("what is not known yet goes to %s", node)
	}
	s.now = s.now.Add(time.Minute)
	d.Place(request(t, "OPTIONS", "other", ""))
	s.now = s.now.Add(time.Minute)
	if node := d.Place(request(t, "ACK", "theirs", id.String())); node != "n1" {
		t.Errorf("what is forgotten goes to %s", node)
	}
	for branch, want := range map[string]string{"z9hG4bK.abc.n2": "n2", "z9hG4bK.abc": "n1", "other": "n1"} {
		res := message(t, "SIP/2.0 200 OK", "Via: SIP/2.0/UDP a;branch="+branch, "From: <sip:a@a>;tag=1", "To: <sip:1@b>;tag=2", "Call-ID: c", "CSeq: 1 BYE", "Content-Length: 0")
		if node := d.Place(res); node != want {
			t.Errorf("a response by %s goes to %s", branch, node)
		}
	}
}

// However many calls there are, the memory of them is bounded.
func TestBounded(t *testing.T) {
	s := &switchboard{now: time.Now(), loads: []Load{{"n2", 0, 100}}}
	d := s.dispatcher()
	for i := range mostRemembered {
		d.remember(fmt.Sprint(i), "n2")
	}
	if all := len(d.went) + len(d.before); all > mostRemembered {
		t.Errorf("%d are remembered", all)
	}
}
