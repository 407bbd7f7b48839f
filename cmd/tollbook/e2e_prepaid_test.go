package main_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/tollbook/tollbook/cmd/tollbook/traffic"
)

// twoAtOnce starts two calls before either ends, and tells how many of them the
// switch took.
func twoAtOnce(t *testing.T, s *stage) []cdr {
	t.Helper()
	s.takes(t, 0, 2, "answer")
	p := s.starts(t, "call", 2, nil, "-r", "2", "-rp", "100", "-d", "2500")
	select {
	case <-p.exited: // with an error, if a call was refused
	case <-time.After(patience):
		t.Fatal("the calls do not end")
	}
	return s.cdrs(t, s.filter())
}

// There is money for the first minute of one call: of two at once, one is served.
func playOneHold(t *testing.T, s *stage) {
	twoAtOnce(t, s)
	all := s.settled(t, s.filter(), 3)
	codes := map[int]int{}
	for _, c := range all {
		if c.Leg == 0 {
			codes[c.SipCode]++
		}
	}
	if codes[200] != 1 || codes[402] != 1 {
		t.Errorf("the calls ended with %v", codes)
	}
	s.billed(t, all, 0)
}

// With money for two holds both are served.
func playTwoHolds(t *testing.T, s *stage) {
	twoAtOnce(t, s)
	all := s.settled(t, s.filter(), 4)
	for _, c := range all {
		if c.SipCode != 200 {
			t.Errorf("%+v", c)
		}
	}
	s.billed(t, all, 0)
}

// The money is for five seconds: the call is cut a guard of 0.3 s before their
// end, on both legs.
func playRunsOut(t *testing.T, s *stage) {
	vendor := s.takes(t, 0, 1, "answer")
	s.calls(t, "hungup", 1, nil)
	vendor.wait(t)
	all := legs(t, s.settled(t, s.filter(), 2), 200, 200)
	s.billed(t, all, 0)
	for _, c := range all {
		if talk := ms(t, c.Talk); c.Cause != "paid_time_over" || c.EndedBy != "SWITCH" || talk < 4500 || talk > 5000 {
			t.Errorf("%+v", c)
		}
	}
	if left := s.posted(t, s.account()); left < 0 {
		t.Errorf("%d stands on the account", left)
	}
}

// The same, but a payment comes while they talk: it lengthens the call.
func playTopUp(t *testing.T, s *stage) {
	s.takes(t, 0, 1, "answer")
	p := s.starts(t, "hungup", 1, nil)
	until(t, "they talk", func() bool {
		all := s.cdrs(t, s.filter())
		return len(all) == 2 && all[0].Answered
	})
	s.node.credit(t, s.account(), "0.03", "top up")
	s.credit = "0.08"
	p.wait(t)
	all := legs(t, s.settled(t, s.filter(), 2), 200, 200)
	s.billed(t, all, 0)
	if talk := ms(t, all[0].Talk); talk < 7000 || talk > 8000 || all[0].Cause != "paid_time_over" {
		t.Errorf("%+v", all[0])
	}
}

// Real audio runs both ways through the relay, and the CDRs tell how good it was.
func playAudio(t *testing.T, s *stage) {
	at := func(ip string) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(s.net.port()))
	}
	vendor, err := traffic.NewVendor(traffic.VendorConfig{
		Addr: at(s.vendorIP(0)), Mix: []traffic.Share{{Weight: 1, Behaviour: traffic.Answer(50*time.Millisecond, 100*time.Millisecond)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	customer, err := traffic.NewCustomer(traffic.CustomerConfig{
		Addr: at(s.customerIP()), Switch: at(s.net.ip(1)), Total: 3, Every: 200 * time.Millisecond,
		Called: []traffic.Numbers{{Prefix: s.dial()[:5], Length: 11}}, Callers: []traffic.Numbers{{Prefix: "1555", Length: 11}},
		MeanDuration: 2 * time.Second, MinDuration: 2 * time.Second, MaxDuration: 2500 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- vendor.Run(ctx) }()
	if err := customer.Run(ctx); err != nil {
		t.Error(err)
	}
	all := s.settled(t, s.filter(), 6)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, c := range []traffic.Counts{customer.Counts(), vendor.Counts()} {
		if c.Answered != 3 || c.PacketsReceived < 3*80 {
			t.Errorf("%+v", c)
		}
	}
	for _, c := range all {
		m := c.Media
		if m == nil || m.Packets < 80 || micro(t, m.Mos) < 3_500_000 || micro(t, m.Mos) > 4_600_000 || micro(t, m.Jitter) < 0 {
			t.Errorf("leg %d of %s: media %+v", c.Leg, c.Talk, m)
		}
	}
	s.billed(t, all, 0)
}
