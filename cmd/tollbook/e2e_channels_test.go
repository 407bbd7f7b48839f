//go:build linux

package main_test

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestClusterVendorChannels has callers call three nodes at once, whose first vendor
// refuses every call and has three channels, the second seven: however the nodes share
// them, neither ever has a call more, and all of them are used.
func TestClusterVendorChannels(t *testing.T) {
	needCluster(t)
	needSipp(t)
	g := newGroup(t)
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "limited", sell: sellPrice, buy: buyPrice, vendors: []string{", channels: 3", ", channels: 7"}}
	s.node = g.nodes["n1"]
	s.node.apply(t, world(s.node, []*stage{s}))
	s.node.credit(t, s.account(), "100", "opening")
	for _, n := range g.nodes {
		until(t, "all know of the money", func() bool { return n.balance(t, s.account()).Posted.Amount == "100.000000" })
	}
	sippWithin(t, nil, "refuse", s.vendorIP(0), g.net.port(), []string{"@CODE@", "503"}, "-m", "100000")
	sippWithin(t, nil, "answer", s.vendorIP(1), g.net.port(), []string{"@RING@", "20", "@TALK@", "1200"}, "-m", "100000")
	time.Sleep(500 * time.Millisecond) // until they listen
	served := 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for i, name := range []string{"n1", "n2", "n3"} {
		conn, err := here(&net.UDPAddr{IP: net.ParseIP(s.customerIP()), Port: g.net.port() + 20 + i})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		all.Go(func() {
			to := netip.MustParseAddrPort(g.net.addr(last[name]))
			got := calls(&socket{conn, s.customerIP(), g.net.port() + 20 + i}, to, s.dial(), 60)
			mu.Lock()
			defer mu.Unlock()
			served += got.served
		})
	}
	all.Wait()
	t.Logf("%d calls were served", served)
	for i, channels := range []int{3, 7} {
		legs := s.node.cdrs(t, map[string]any{"terminator": "terminator:" + s.terminator(i)})
		most := crowdest(legs)
		t.Logf("vendor %d had %d calls, at most %d of them at once", i, len(legs), most)
		if most > channels {
			t.Errorf("vendor %d has %d channels and had %d calls at once", i, channels, most)
		}
		if i == 1 && most < channels {
			t.Errorf("vendor %d has %d channels, and never more than %d were used", i, channels, most)
		}
	}
	if served < 30 {
		t.Errorf("%d calls were served by 7 channels in 15 seconds", served)
	}
	for _, n := range g.nodes {
		until(t, "no money is held", func() bool { return n.balance(t, s.account()).Holds == 0 })
	}
	g.agrees(t, 3)
	for _, name := range []string{"n1", "n2", "n3"} {
		g.nodes[name].interrupt(t)
		verify(t, g.nodes[name].data)
	}
}

// crowdest is how many legs there were at once.
func crowdest(legs []cdr) (most int) {
	type step struct {
		at time.Time
		by int
	}
	var steps []step
	for _, l := range legs {
		if l.EndedAt != nil {
			steps = append(steps, step{l.SetupAt, 1}, step{*l.EndedAt, -1})
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(a.at.Compare(b.at), a.by-b.by) })
	now := 0
	for _, s := range steps {
		now += s.by
		most = max(most, now)
	}
	return most
}
