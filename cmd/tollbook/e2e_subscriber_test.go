package main_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/digest"
)

// exchange is a switch with subscribers, a vendor for 44, and a customer whose calls
// come in to our numbers.
type exchange struct{ *node }

const subscribersWorld = `
companies:
  - {id: home, accounts: [{id: home-usd, currency: USD, kind: customer}]}
  - {id: trunk, accounts: [{id: trunk-usd, currency: USD, kind: customer}]}
  - {id: carrier, accounts: [{id: carrier-usd, currency: USD, kind: vendor}]}
decks:
  - {id: sell, currency: USD, rows: "prefix,destination,price,increments\n44,UK,0.60,1/1/0\n"}
  - {id: inbound, currency: USD, rows: "prefix,destination,price,increments\n49,DE,0.06,1/1/0\n"}
  - {id: buy, currency: USD, rows: "prefix,destination,price,increments\n44,UK,0.30,1/1/0\n"}
terminators:
  - {id: carrier-1, company: carrier, account: carrier-usd, buy_deck: buy, host: @VENDOR@, port: @PORT@}
route_plans:
  - {id: out, routes: [{prefix: "44", terminator: carrier-1}]}
originators:
  - {id: trunk-1, company: trunk, account: trunk-usd, sell_deck: sell, route_plan: out, networks: [@TRUNK@/32]}
  - {id: pbx, company: trunk, account: trunk-usd, sell_deck: sell, route_plan: out, auth_user: pbx-1, auth_password: secret}
subscribers:
  - {id: anna, company: home, account: home-usd, sell_deck: sell, route_plan: out, password: wonderland, caller_number: "4930100"}
  - {id: bert, company: home, account: home-usd, sell_deck: sell, route_plan: out, password: brandy, max_contacts: 2}
  - {id: away, company: home, account: home-usd, sell_deck: sell, route_plan: out, password: x, caller_number: "4930103", forward: {no_answer: "445551234"}}
  - {id: ping, company: home, account: home-usd, sell_deck: sell, password: x, forward: {always: pong}}
  - {id: pong, company: home, account: home-usd, sell_deck: sell, password: x, forward: {always: ping}}
dids:
  - {number: "4930101", company: home, subscriber: bert, account: home-usd, sell_deck: inbound}
  - {number: "4930103", company: home, subscriber: away}
`

func newExchange(t *testing.T) *exchange {
	nw := newNetwork()
	return newExchangeOn(t, nw, "sip: "+nw.addr(1)+"\n")
}

// newExchangeOn listens as the lines of its configuration say.
func newExchangeOn(t *testing.T, nw network, listeners string) *exchange {
	n := serveOn(t, nw, t.TempDir(), listeners)
	n.apply(t, strings.NewReplacer("@VENDOR@", n.net.ip(100), "@TRUNK@", n.net.ip(10), "@PORT@", fmt.Sprint(n.net.port())).Replace(subscribersWorld))
	n.credit(t, "home-usd", "10", "opening home")
	n.credit(t, "trunk-usd", "10", "opening trunk")
	return &exchange{n}
}

// as are the words of a scenario for a subscriber's device at an address.
func (x *exchange) as(user, password string, last int, more ...string) []string {
	return append(more, "@USER@", user, "@PASSWORD@", password, "@EXPIRES@", "600", "@CODE@", "200",
		"@CONTACT@", fmt.Sprintf("<sip:%s@%s>", user, x.net.addr(last)))
}

// device plays a scenario from an address.
func (x *exchange) device(t *testing.T, scenario string, last int, edit []string, args ...string) *phone {
	t.Helper()
	args = append([]string{x.net.addr(1), "-m", "1"}, args...)
	return sipp(t, scenario, x.net.ip(last), x.net.port(), edit, args...)
}

func (x *exchange) registers(t *testing.T, user, password string, last int, more ...string) {
	t.Helper()
	x.device(t, "register", last, x.as(user, password, last, more...)).wait(t)
}

// rings starts a device that takes a call.
func (x *exchange) rings(t *testing.T, scenario string, last int, edit ...string) *phone {
	t.Helper()
	p := sipp(t, scenario, x.net.ip(last), x.net.port(), append(edit, "@RING@", "100", "@TALK@", "1200"), "-m", "1")
	until(t, "the device listens", func() bool { return listens(x.net.ip(last), x.net.port()) })
	return p
}

type device struct{ Contact, Source string }

func (x *exchange) contacts(t *testing.T, user string) []device {
	t.Helper()
	var answer struct {
		Subscriber struct{ Contacts []device }
	}
	x.ask(t, &answer, `query ($id: ID!) { subscriber(id: $id) { contacts { contact source } } }`, map[string]any{"id": "subscriber:" + user})
	return answer.Subscriber.Contacts
}

func TestSubscribers(t *testing.T) {
	needSipp(t)
	t.Parallel()
	x := newExchange(t)
	for _, s := range []struct {
		name string
		play func(*testing.T, *exchange)
	}{
		{"registers", playRegisters},
		{"calls within", playWithin},
		{"calls out", playOut},
		{"is called by number", playNumber},
		{"forks", playForks},
		{"both answer", playBothAnswer},
		{"originator by digest", playDigest},
		{"forwards", playForwards},
		{"circle", playCircle},
		{"guesses", playGuesses},
	} {
		t.Run(s.name, func(t *testing.T) { s.play(t, x) })
	}
	if b := x.balance(t, "home-usd"); b.Holds != 0 {
		t.Errorf("%+v", b)
	}
	x.interrupt(t)
	again := &exchange{serve(t, x.net, x.data)}
	if got := again.contacts(t, "anna"); len(got) != 1 || got[0].Source != x.net.addr(20) {
		t.Errorf("after a restart anna has %v", got)
	}
	again.interrupt(t)
	verify(t, x.data)
}

func playRegisters(t *testing.T, x *exchange) {
	x.registers(t, "anna", "wonderland", 20)
	x.replays(t)
	x.registers(t, "anna", "wrong", 21, "@CODE@", "401")
	x.registers(t, "nobody", "wrong", 21, "@CODE@", "401")
	x.registers(t, "anna", "wonderland", 20, "@CODE@", "423", "@EXPIRES@", "5")
	x.registers(t, "bert", "brandy", 30)
	x.registers(t, "bert", "brandy", 31)
	if got := x.contacts(t, "bert"); len(got) != 2 {
		t.Errorf("bert has %v", got)
	}
	x.registers(t, "bert", "brandy", 31, "@CONTACT@", "*", "@EXPIRES@", "0")
	if got := x.contacts(t, "bert"); len(got) != 0 {
		t.Errorf("bert has %v", got)
	}
	x.registers(t, "bert", "brandy", 30)
	if got := x.contacts(t, "anna"); len(got) != 1 || got[0].Source != x.net.addr(20) {
		t.Errorf("anna has %v", got)
	}
}

// replays sends the same right answer twice: what somebody overheard is of no use.
func (x *exchange) replays(t *testing.T) {
	k := (&stage{node: x.node}).hears(t, x.net.ip(22))
	register := func(seq int, more string) string {
		return fmt.Sprintf(`REGISTER sip:%[1]s SIP/2.0
Via: SIP/2.0/UDP %[2]s:%[3]d;branch=z9hG4bKr%[4]d
From: <sip:anna@%[1]s>;tag=r
To: <sip:anna@%[1]s>
Call-ID: replay
CSeq: %[4]d REGISTER
Max-Forwards: 70
%[5]sContent-Length: 0

`, x.net.ip(1), k.ip, k.port, seq, more)
	}
	k.says(t, x.net, register(1, ""))
	nonce := regexp.MustCompile(`nonce="([^"]+)"`).FindStringSubmatch(k.must(t, "SIP/2.0 401"))[1]
	secret, err := digest.SecretOf("anna", "wonderland", digest.Realm)
	if err != nil {
		t.Fatal(err)
	}
	a := digest.Answer{
		Username: "anna", Realm: digest.Realm, Nonce: nonce, URI: "sip:tollbook", Algorithm: digest.SHA256,
		QOP: "auth", NC: "00000001", Count: 1, CNonce: "c",
	}
	a.Sign(secret, "REGISTER")
	line := "Authorization: " + a.Header() + "\n"
	k.says(t, x.net, register(2, line))
	k.must(t, "SIP/2.0 200")
	k.says(t, x.net, register(3, line))
	if m := k.must(t, "SIP/2.0 401"); !strings.Contains(m, "stale=true") {
		t.Errorf("a replay is answered\n%s", m)
	}
}

// playWithin has anna call bert by his id: free, and on record.
func playWithin(t *testing.T, x *exchange) {
	before := x.posted(t, "home-usd")
	p := x.rings(t, "answer", 30)
	x.device(t, "subcall", 20, x.as("anna", "wonderland", 20), "-s", "bert", "-d", "500").wait(t)
	p.wait(t)
	all := legs(t, x.settled(t, map[string]any{"called": "bert"}, 2), 200, 200)
	if all[0].Price != nil && all[0].Price.Gross.Amount != "0.000000" || all[1].TerminatorID != "terminator:subscriber/bert" {
		t.Errorf("%+v", all)
	}
	if got := x.posted(t, "home-usd"); got != before {
		t.Errorf("home-usd went from %d to %d", before, got)
	}
}

// playOut has anna call a vendor's number: charged as any other call.
func playOut(t *testing.T, x *exchange) {
	before := x.posted(t, "home-usd")
	p := x.rings(t, "answer", 100)
	x.device(t, "subcall", 20, x.as("anna", "wonderland", 20), "-s", "445550001", "-d", "500").wait(t)
	p.wait(t)
	all := legs(t, x.settled(t, map[string]any{"called": "445550001"}, 2), 200, 200)
	want := price(t, "0.60", 1, 1, ms(t, all[0].Talk))
	if got := before - x.posted(t, "home-usd"); got != want || all[1].Caller != "4930100" {
		t.Errorf("the call cost %d, want %d; the vendor is shown %s", got, want, all[1].Caller)
	}
}

// playNumber has a customer's call come in to bert's number: his company pays.
func playNumber(t *testing.T, x *exchange) {
	before := x.posted(t, "home-usd")
	p := x.rings(t, "answer", 30)
	sipp(t, "call", x.net.ip(10), x.net.port(), nil, x.net.addr(1), "-s", "4930101", "-m", "1", "-d", "500").wait(t)
	p.wait(t)
	all := legs(t, x.settled(t, map[string]any{"called": "4930101"}, 2), 200, 200)
	want := price(t, "0.06", 1, 1, ms(t, all[0].Talk))
	if got := before - x.posted(t, "home-usd"); got != want {
		t.Errorf("the call cost the number's owner %d, want %d", got, want)
	}
}

// playForks has two devices of bert's ring: one is busy, the other answers.
func playForks(t *testing.T, x *exchange) {
	x.registers(t, "bert", "brandy", 31)
	busy := x.rings(t, "refuse", 31, "@CODE@", "486")
	p := x.rings(t, "answer", 30)
	x.device(t, "subcall", 20, x.as("anna", "wonderland", 20), "-s", "bert", "-d", "300").wait(t)
	p.wait(t)
	busy.wait(t)
	x.settled(t, map[string]any{"called": "bert"}, 4)
	// Both busy: the caller hears of it.
	busy, also := x.rings(t, "refuse", 31, "@CODE@", "486"), x.rings(t, "refuse", 30, "@CODE@", "486")
	x.device(t, "subrefused", 20, x.as("anna", "wonderland", 20, "@CODE@", "486"), "-s", "bert").wait(t)
	busy.wait(t)
	also.wait(t)
	x.settled(t, map[string]any{"called": "bert"}, 6)
}

// playBothAnswer has two devices answer at once: one has the call, the other one is
// acknowledged and hung up.
func playBothAnswer(t *testing.T, x *exchange) {
	var ends []*socket
	for _, last := range []int{40, 41} {
		x.registers(t, "bert", "brandy", last)
		ends = append(ends, (&stage{node: x.node}).hears(t, x.net.ip(last)))
	}
	p := x.device(t, "subcall", 20, x.as("anna", "wonderland", 20), "-s", "bert", "-d", "1500")
	answers := make([]string, len(ends))
	for i, k := range ends {
		answers[i] = strings.ReplaceAll(k.answers(k.must(t, "INVITE"), "200 OK", true), "tag=vendor", "tag=end"+fmt.Sprint(i))
	}
	for i, k := range ends {
		k.says(t, x.net, answers[i])
	}
	ended := 0
	for _, k := range ends {
		k.must(t, "ACK")
		if bye := k.hear(t, "BYE", 700*time.Millisecond); bye != "" {
			ended++
			k.says(t, x.net, k.answers(bye, "200 OK", false))
		}
	}
	if ended != 1 {
		t.Errorf("%d of two were hung up", ended)
	}
	for _, k := range ends {
		if bye := k.hear(t, "BYE", 3*time.Second); bye != "" {
			k.says(t, x.net, k.answers(bye, "200 OK", false))
		}
	}
	p.wait(t)
	x.settled(t, map[string]any{"called": "bert"}, 8)
}

// playDigest has an originator call that no network identifies.
func playDigest(t *testing.T, x *exchange) {
	before := x.posted(t, "trunk-usd")
	p := x.rings(t, "answer", 100)
	x.device(t, "subcall", 50, x.as("pbx-1", "secret", 50), "-s", "445550002", "-d", "300").wait(t)
	p.wait(t)
	all := legs(t, x.settled(t, map[string]any{"called": "445550002"}, 2), 200, 200)
	if got, want := before-x.posted(t, "trunk-usd"), price(t, "0.60", 1, 1, ms(t, all[0].Talk)); got != want {
		t.Errorf("the call cost %d, want %d", got, want)
	}
	x.device(t, "subrefused", 50, x.as("pbx-1", "wrong", 50, "@CODE@", "401"), "-s", "445550002").wait(t)
}

// playForwards has a customer call somebody who is away: the call goes on to a
// vendor's number, and whoever forwards it pays for that.
func playForwards(t *testing.T, x *exchange) {
	before := x.posted(t, "home-usd")
	p := x.rings(t, "answer", 100)
	sipp(t, "call", x.net.ip(10), x.net.port(), nil, x.net.addr(1), "-s", "4930103", "-m", "1", "-d", "500").wait(t)
	p.wait(t)
	first := x.settled(t, map[string]any{"called": "4930103"}, 1)[0]
	all := slices.DeleteFunc(x.settled(t, map[string]any{"called": "445551234"}, 3), func(c cdr) bool { return c.CallID == first.CallID })
	legs(t, all, 200, 200)
	want := price(t, "0.60", 1, 1, ms(t, all[0].Talk))
	if got := before - x.posted(t, "home-usd"); got != want || all[0].Caller != "15550100" {
		t.Errorf("the forwarded call cost %d, want %d; its caller is %s", got, want, all[0].Caller)
	}
}

func playCircle(t *testing.T, x *exchange) {
	x.device(t, "subrefused", 20, x.as("anna", "wonderland", 20, "@CODE@", "482"), "-s", "ping").wait(t)
}

type ban struct{ Address, Reason string }

// playGuesses has somebody try passwords: he is banned, and let in again.
func playGuesses(t *testing.T, x *exchange) {
	bans := func() []ban {
		var answer struct{ Bans []ban }
		x.ask(t, &answer, `{ bans { address reason } }`, nil)
		return answer.Bans
	}
	for i := range 10 {
		x.registers(t, "anna", fmt.Sprint("guess", i), 66, "@CODE@", "401")
	}
	if got := bans(); len(got) != 1 || got[0].Address != x.net.ip(66) {
		t.Fatalf("bans: %v", got)
	}
	k := (&stage{node: x.node}).hears(t, x.net.ip(66))
	k.says(t, x.net, "REGISTER sip:x SIP/2.0\nVia: SIP/2.0/UDP "+k.ip+";branch=z9hG4bKb\nFrom: <sip:anna@x>;tag=b\nTo: <sip:anna@x>\nCall-ID: b\nCSeq: 1 REGISTER\nContent-Length: 0\n\n")
	if m := k.hear(t, "SIP/2.0", time.Second); m != "" {
		t.Errorf("a banned source is answered\n%s", m)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	var lifted struct {
		BanLift struct{ UserErrors []struct{ Message string } }
	}
	x.ask(t, &lifted, `mutation ($a: String!) { banLift(input: {address: $a}) { userErrors { message } } }`, map[string]any{"a": x.net.ip(66)})
	if len(lifted.BanLift.UserErrors) > 0 || len(bans()) != 0 {
		t.Errorf("the ban is not lifted: %v", lifted)
	}
	x.registers(t, "bert", "brandy", 66)
}
