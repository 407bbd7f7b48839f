package main_test

import (
	"fmt"
	"strings"
	"testing"
)

// playRegisteredElsewhere has devices that are registered at the first node called from
// outside through the second: one that everybody reaches gets its INVITE from the second
// node itself, one behind a router, or on a connection, through the first.
func playRegisteredElsewhere(t *testing.T, g *group) {
	x := &exchange{g.nodes["n1"]}
	world := strings.NewReplacer("@VENDOR@", g.net.ip(100), "@TRUNK@", g.net.ip(11), "@PORT@", fmt.Sprint(g.net.port())).Replace(subscribersWorld)
	world = strings.Replace(world, "dids:\n", `  - {id: udp, company: home, account: home-usd, sell_deck: sell, password: secret}
  - {id: tcp, company: home, account: home-usd, sell_deck: sell, password: secret}
dids:
  - {number: "4930201", company: home, subscriber: udp}
  - {number: "4930202", company: home, subscriber: tcp}
`, 1)
	x.apply(t, world)
	x.credit(t, "home-usd", "10", "opening home")
	x.credit(t, "trunk-usd", "10", "opening trunk")
	outside := func(scenario, did string, more ...string) *phone {
		return sipp(t, scenario, g.net.ip(11), g.net.port(), nil, append([]string{g.net.addr(last["n2"]), "-s", did, "-m", "1"}, more...)...)
	}
	knows := func(user string) {
		second := &exchange{g.nodes["n2"]}
		until(t, "the second node knows where "+user+" is", func() bool { return len(second.contacts(t, user)) == 1 })
	}

	x.registers(t, "bert", "brandy", 30)
	knows("bert")
	direct := x.rings(t, "answer", 30)
	outside("call", "4930101", "-d", "200").wait(t)
	direct.wait(t)
	legs(t, x.settled(t, map[string]any{"called": "4930101"}, 2), 200, 200)

	for i, transport := range []string{"udp", "tcp"} {
		h := &handset{x: x, user: transport, transport: transport}
		h.open(t)
		h.registers(t)
		knows(transport)
		did := fmt.Sprintf("493020%d", i+1)
		caller := outside("hungup", did)
		invite := h.must(t, "INVITE")
		for _, want := range []string{"SIP/2.0/" + strings.ToUpper(transport) + " " + x.net.addr(1), "@" + x.net.addr(1), "IP4 " + x.net.ip(last["n2"])} {
			if !strings.Contains(invite, want) {
				t.Errorf("%q is missing in\n%s", want, invite)
			}
		}
		h.send(t, h.answers(invite, true))
		h.must(t, "ACK")
		h.send(t, h.within("BYE", invite))
		h.must(t, "SIP/2.0 200")
		caller.wait(t)
		all := legs(t, g.nodes["n3"].settled(t, map[string]any{"called": did}, 2), 200, 200)
		if all[0].EndedBy != "CALLEE" {
			t.Errorf("%+v", all[0])
		}
		caller = outside("call", did, "-d", "200")
		h.send(t, h.answers(h.must(t, "INVITE"), true))
		h.must(t, "ACK")
		h.send(t, h.answers(h.must(t, "BYE"), false))
		caller.wait(t)
		h.close(t)
	}
}
