package main_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTransfers has subscribers send calls on, blind and to whom they talk to already.
func TestTransfers(t *testing.T) {
	needSipp(t)
	t.Parallel()
	x := newExchange(t)
	x.apply(t, `subscribers:
  - {id: anna, company: home, account: home-usd, sell_deck: sell, route_plan: out, password: wonderland, caller_number: "4930100", trust_registration: true, transfers: true}
  - {id: bert, company: home, account: home-usd, sell_deck: sell, route_plan: out, password: brandy, trust_registration: true, transfers: true}
`)
	x.registers(t, "anna", "wonderland", 20)
	x.registers(t, "bert", "brandy", 30)
	t.Run("blind", func(t *testing.T) { playBlind(t, x) })
	t.Run("attended", func(t *testing.T) { playAttended(t, x) })
	if b := x.balance(t, "home-usd"); b.Holds != 0 {
		t.Errorf("%+v", b)
	}
	x.interrupt(t)
	verify(t, x.data)
}

var callIDOf = regexp.MustCompile(`(?m)^Call-ID: (.*)`)

// party is one side of a dialog with the switch.
type party struct {
	*socket
	x            *exchange
	id           string
	local, there string // From and To as its requests have them, tags and all
	target       string
	seq          int
}

// calls makes a party that calls from an address as a user.
func (x *exchange) calls(t *testing.T, k *socket, user, called, id string) *party {
	t.Helper()
	p := &party{socket: k, x: x, id: id, local: fmt.Sprintf("<sip:%s@%s>;tag=%s", user, x.net.ip(1), id), there: fmt.Sprintf("<sip:%s@%s>", called, x.net.addr(1)),
		target: fmt.Sprintf("sip:%s@%s", called, x.net.addr(1))}
	p.asks(t, "INVITE", "", k.description())
	return p
}

// asks sends the dialog's next request.
func (p *party) asks(t *testing.T, method, headers, body string) {
	t.Helper()
	if method != "ACK" {
		p.seq++
	}
	if body != "" {
		headers += "Content-Type: application/sdp\n"
	}
	p.says(t, p.x.net, fmt.Sprintf("%s %s SIP/2.0\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s%s%d\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %d %s\nContact: <sip:%s:%d>\nMax-Forwards: 70\n%sContent-Length: %d\n\n%s",
		method, p.target, p.ip, p.port, p.id, method, p.seq, p.local, p.there, p.id, p.seq, method, p.ip, p.port, headers, len(strings.ReplaceAll(body, "\n", "\r\n")), body))
}

// talks waits for the answer and acknowledges it.
func (p *party) talks(t *testing.T) {
	t.Helper()
	ok := p.must(t, "SIP/2.0 200")
	p.there = strings.TrimPrefix(to.FindString(ok), "To: ")
	p.target = contactOf.FindStringSubmatch(ok)[1]
	p.asks(t, "ACK", "", "")
}

// takes answers a call that comes to a socket.
func (x *exchange) takes(t *testing.T, k *socket, tag string) *party {
	t.Helper()
	p := x.takesLate(t, k, tag)
	k.must(t, "ACK")
	return p
}

// answersTo answers the next request of a method with a 200.
func (p *party) answersTo(t *testing.T, method string) string {
	t.Helper()
	req := p.must(t, method)
	p.says(t, p.x.net, p.answers(req, "200 OK", method == "INVITE"))
	return req
}

// told reads NOTIFYs until the last one.
func (p *party) told(t *testing.T) string {
	t.Helper()
	for {
		if n := p.answersTo(t, "NOTIFY"); strings.Contains(n, "Subscription-State: terminated") {
			return n
		}
	}
}

// A customer calls bert, who sends him on to a vendor's number and is hung up. The first
// call costs what it did; bert's company pays for the second one.
func playBlind(t *testing.T, x *exchange) {
	s := &stage{node: x.node}
	caller, bert, vendor := s.hears(t, x.net.ip(10)), s.hears(t, x.net.ip(30)), s.hears(t, x.net.ip(100))
	defer closeAll(t, caller, bert, vendor)
	first := x.calls(t, caller, "15550100", "4930101", "blind")
	second := x.takes(t, bert, "bert")
	first.talks(t)
	second.asks(t, "REFER", "Refer-To: <sip:445550007@anywhere.example>\n", "")
	second.must(t, "SIP/2.0 202")
	third := x.takes(t, vendor, "vendor")
	if last := second.told(t); !strings.Contains(last, "SIP/2.0 200 OK") {
		t.Errorf("bert is told\n%s", last)
	}
	second.answersTo(t, "BYE")
	again := first.answersTo(t, "INVITE") // who stays hears of the new session
	if strings.Contains(again, x.net.ip(100)) || strings.Contains(again, x.net.ip(30)) {
		t.Errorf("the caller sees where he was sent\n%s", again)
	}
	first.must(t, "ACK")
	time.Sleep(1200 * time.Millisecond) // of talk
	first.asks(t, "BYE", "", "")
	first.must(t, "SIP/2.0 200")
	third.answersTo(t, "BYE")
	before := legs(t, x.settled(t, map[string]any{"called": "4930101"}, 2), 200, 200)
	after := legs(t, x.settled(t, map[string]any{"called": "445550007"}, 2), 200, 200)
	if after[0].CustomerAccountID != "account:home-usd" || after[0].Price == nil || after[0].CallID == before[0].CallID {
		t.Errorf("%+v", after[0])
	}
	want := price(t, "0.60", 1, 1, ms(t, after[0].Talk))
	if got := micro(t, after[0].Price.Gross.Amount); got != want {
		t.Errorf("the second call cost %d, want %d", got, want)
	}
	if ms(t, before[0].Talk) < ms(t, after[0].Talk) {
		t.Errorf("the first call lasted %s, the second one %s", before[0].Talk, after[0].Talk)
	}
}

// Anna talks to bert, then to somebody outside, and joins the two.
func playAttended(t *testing.T, x *exchange) {
	s := &stage{node: x.node}
	anna, bert, vendor := s.hears(t, x.net.ip(20)), s.hears(t, x.net.ip(30)), s.hears(t, x.net.ip(100))
	defer closeAll(t, anna, bert, vendor)
	within := x.calls(t, anna, "anna", "bert", "within")
	atBert := x.takes(t, bert, "bert")
	within.talks(t)
	outside := x.calls(t, anna, "anna", "445550008", "outside")
	atVendor := x.takes(t, vendor, "vendor")
	outside.talks(t)
	tag := toTag.FindStringSubmatch("To: " + outside.there)[1]
	within.asks(t, "REFER", fmt.Sprintf("Refer-To: <sip:445550008@%s?Replaces=outside%%3Bto-tag%%3Dwrong%%3Bfrom-tag%%3Doutside>\n", x.net.ip(1)), "")
	within.must(t, "SIP/2.0 202")
	if last := within.told(t); !strings.Contains(last, "SIP/2.0 481") {
		t.Errorf("anna is told of a dialog that is not there\n%s", last)
	}
	within.asks(t, "REFER", fmt.Sprintf("Refer-To: <sip:445550008@%s?Replaces=outside%%3Bto-tag%%3D%s%%3Bfrom-tag%%3Doutside>\n", x.net.ip(1), tag), "")
	within.must(t, "SIP/2.0 202")
	atVendor.answersTo(t, "INVITE")
	atVendor.must(t, "ACK")
	atBert.answersTo(t, "INVITE")
	atBert.must(t, "ACK")
	ended := map[string]bool{}
	for len(ended) < 2 { // both of anna's, and what she is told
		for _, start := range []string{"NOTIFY", "BYE"} {
			if m := anna.hear(t, start, 200*time.Millisecond); m != "" {
				anna.says(t, x.net, anna.answers(m, "200 OK", false))
				if start == "BYE" {
					ended[callIDOf.FindStringSubmatch(m)[1]] = true
				}
			}
		}
	}
	time.Sleep(300 * time.Millisecond)
	atBert.asks(t, "BYE", "", "")
	atBert.must(t, "SIP/2.0 200")
	atVendor.answersTo(t, "BYE")
	all := legs(t, x.settled(t, map[string]any{"called": "445550008"}, 2), 200, 200)
	if all[0].CustomerAccountID != "account:home-usd" || all[1].Caller != "4930100" {
		t.Errorf("%+v", all)
	}
	x.settled(t, map[string]any{"called": "bert"}, 2)
}

func closeAll(t *testing.T, all ...*socket) {
	for _, k := range all {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
}
