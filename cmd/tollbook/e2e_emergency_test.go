package main_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestEmergencies has a node that is full, and then one that stops, refuse calls but
// for those to an emergency number.
func TestEmergencies(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	config := "sip: " + nw.addr(1) + "\nmax_calls: 1\ndrain: 20s\n"
	n := serveOn(t, nw, t.TempDir(), config)
	plain := &stage{name: "plain", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	urgent := &stage{name: "urgent", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	document := world(n, []*stage{plain, urgent})
	n.apply(t, fmt.Sprintf("settings: {emergency_numbers: [%q]}\n", urgent.dial())+document)
	n.credit(t, plain.account(), plain.credit, "opening")
	d := plain.talk(t)
	refused := func(id string) {
		t.Helper()
		d.caller.says(t, nw, other(d.caller.request("INVITE", plain, id, 1, ""), id))
		d.caller.must(t, "SIP/2.0 503")
	}
	refused("full")
	caller, vendor := urgent.hears(t, urgent.customerIP()), urgent.hears(t, urgent.vendorIP(0))
	first := urgent.helped(t, caller, vendor, "first")
	if err := n.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	until(t, "the node drains", func() bool { return strings.Contains(n.stderr.String(), "no new calls") })
	refused("drained")
	second := urgent.helped(t, caller, vendor, "second")
	time.Sleep(100 * time.Millisecond) // of talk
	first()
	second()
	d.caller.says(t, nw, d.caller.request("BYE", plain, "bye", 2, d.tag))
	d.vendor.says(t, nw, d.vendor.answers(d.vendor.must(t, "BYE"), "200 OK", false))
	if code := n.wait(t); code != 0 {
		t.Fatalf("the node ends with %d", code)
	}
	again := serveOn(t, nw, n.data, config)
	for _, c := range again.settled(t, urgent.filter(), 4) {
		if c.SipCode != 200 || !c.Emergency || c.EndedBy != "CALLER" {
			t.Errorf("%+v", c)
		}
	}
	again.interrupt(t)
	verify(t, n.data)
}

// TestBannedInNeed has a device whose address is banned for wrong passwords: it can
// call an emergency number, where it is registered, and hang up; nothing else.
func TestBannedInNeed(t *testing.T) {
	needSipp(t)
	t.Parallel()
	x := newExchange(t)
	s := &stage{node: x.node, name: "need"}
	x.apply(t, fmt.Sprintf("settings: {emergency_numbers: [%q]}\n", s.dial()))
	x.registers(t, "anna", "wonderland", 20)
	for i := range 10 {
		x.registers(t, "anna", fmt.Sprint("guess", i), 20, "@CODE@", "401")
	}
	caller, stranger, vendor := s.hears(t, x.net.ip(20)), s.hears(t, x.net.ip(66)), s.hears(t, x.net.ip(100))
	invite := func(k *socket, user, called, id string) string {
		text := strings.Replace(k.request("INVITE", s, id, 1, ""), "<sip:15550100@"+k.ip+">;tag", "<sip:"+user+"@"+x.net.ip(1)+">;tag", 1)
		return other(strings.ReplaceAll(text, s.dial(), called), id)
	}
	for name, text := range map[string]string{
		"another number": invite(caller, "anna", "445550000", "other"),
		"another user":   invite(caller, "bert", s.dial(), "bert"),
	} {
		caller.says(t, x.net, text)
		if m := caller.hear(t, "SIP/2.0", time.Second); m != "" && !strings.HasPrefix(m, "SIP/2.0 403") {
			t.Errorf("%s is answered\n%s", name, m)
		}
	}
	stranger.says(t, x.net, invite(stranger, "anna", s.dial(), "stranger"))
	stranger.must(t, "SIP/2.0 401")
	caller.says(t, x.net, invite(caller, "anna", s.dial(), "help"))
	asked := vendor.must(t, "INVITE")
	vendor.says(t, x.net, vendor.answers(asked, "200 OK", true))
	tag := toTag.FindStringSubmatch(caller.must(t, "SIP/2.0 200"))[1]
	for i, method := range []string{"ACK", "BYE"} {
		text := strings.Replace(caller.request(method, s, "help"+method, 1+i, tag), "<sip:15550100@"+caller.ip+">;tag", "<sip:anna@"+x.net.ip(1)+">;tag", 1)
		caller.says(t, x.net, other(text, "help"))
		bye := vendor.must(t, method)
		if method == "BYE" {
			vendor.says(t, x.net, vendor.answers(bye, "200 OK", false))
		}
	}
	caller.must(t, "SIP/2.0 200")
	all := legs(t, x.settled(t, map[string]any{"called": s.dial()}, 2), 200, 200)
	if !all[0].Emergency || all[0].CustomerAccountID != "account:home-usd" {
		t.Errorf("%+v", all[0])
	}
	x.interrupt(t)
	verify(t, x.data)
}

// other makes a request of another call of the same parties.
func other(request, id string) string {
	return strings.Replace(request, "Call-ID: ", "Call-ID: "+id, 1)
}

// helped brings an emergency call to its answer, and gives what ends it.
func (s *stage) helped(t *testing.T, caller, vendor *socket, id string) (hangUp func()) {
	t.Helper()
	caller.says(t, s.net, other(caller.request("INVITE", s, id+"1", 1, ""), id))
	invite := vendor.must(t, "INVITE")
	vendor.says(t, s.net, vendor.answers(invite, "200 OK", true))
	tag := toTag.FindStringSubmatch(caller.must(t, "SIP/2.0 200"))[1]
	caller.says(t, s.net, other(caller.request("ACK", s, id+"2", 1, tag), id))
	vendor.must(t, "ACK")
	return func() {
		caller.says(t, s.net, other(caller.request("BYE", s, id+"3", 2, tag), id))
		vendor.says(t, s.net, vendor.answers(vendor.must(t, "BYE"), "200 OK", false))
		caller.must(t, "SIP/2.0 200")
	}
}
