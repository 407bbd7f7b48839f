package main_test

import (
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"testing"
)

// reader is a program that reads the feed of events, now from this node and now from that.
type reader struct {
	cursor *string
	read   []int // positions
}

// goOn reads what is behind the reader's cursor at a node.
func (r *reader) goOn(t *testing.T, a *api) {
	t.Helper()
	for more := true; more; {
		var page struct {
			Events struct {
				Nodes []struct {
					Position, Cursor string
				}
				PageInfo struct {
					HasNextPage bool
					EndCursor   *string
				}
			}
		}
		a.ask(t, &page, `query ($after: Cursor) { events(first: 7, after: $after, kinds: [MONEY_POSTED]) {
			nodes { position cursor } pageInfo { hasNextPage endCursor } } }`, map[string]any{"after": r.cursor})
		for _, e := range page.Events.Nodes {
			at, err := strconv.Atoi(e.Position)
			if err != nil {
				t.Fatal(err)
			}
			r.read = append(r.read, at)
		}
		if end := page.Events.PageInfo.EndCursor; end != nil {
			r.cursor = end
		}
		more = page.Events.PageInfo.HasNextPage
	}
}

// TestClusterFeeds pays by all nodes of a cluster, and kills the one that keeps the book,
// twice: a webhook and a reader that goes from node to node with its cursor get every
// payment, each once and in the order of the book.
func TestClusterFeeds(t *testing.T) {
	needCluster(t)
	h := newHooked(t)
	g := newGroupOf(t, newNetwork(), "", func(g *group, name string) string {
		return plain(g, name) + "webhooks: {allow: [127.0.0.0/8]}\n"
	})
	g.start(t, "n1", "n2", "n3")
	names := []string{"n1", "n2", "n3"}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
	g.nodes["n1"].apply(t, "companies:\n  - {id: own, accounts: [{id: own-usd, currency: USD, kind: customer}]}\n"+
		fmt.Sprintf("webhooks:\n  - {id: erp, url: %q, secret: %q, kinds: [money_posted], ca: %q}\n", h.URL+"/in", hookSecret, ca))
	g.agrees(t, 3)
	until(t, "the webhook has begun", func() bool { return g.nodes["n2"].hook(t, "erp").Cursor != nil })
	r, paid := &reader{}, 0
	pay := func(times int, by ...string) {
		t.Helper()
		for range times {
			key := fmt.Sprint("payment ", paid)
			until(t, "a payment is taken", func() bool {
				return credit(t.Context(), g.nodes[by[paid%len(by)]].url, "own-usd", "1", key, nil) == nil
			})
			paid++
		}
	}
	for range 2 {
		pay(20, names...)
		keeper := g.keeper(t)
		g.nodes[keeper].kill(t)
		left := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == keeper })
		pay(10, left...)
		r.goOn(t, g.nodes[left[0]].api)
		pay(5, left...)
		r.goOn(t, g.nodes[left[1]].api)
		g.start(t, keeper)
		g.agrees(t, 3)
		r.goOn(t, g.nodes[keeper].api)
	}
	until(t, "the webhook has had all", func() bool { return len(h.has()) == paid })
	until(t, "the reader has had all", func() bool { r.goOn(t, g.nodes["n2"].api); return len(r.read) >= paid })
	if len(r.read) != paid || !slices.IsSorted(r.read) || len(slices.Compact(slices.Clone(r.read))) != paid {
		t.Errorf("%d payments, the reader has read %v", paid, r.read)
	}
	var heard []int
	for _, e := range h.has() {
		at, err := strconv.Atoi(e.Position)
		if err != nil {
			t.Fatal(err)
		}
		heard = append(heard, at)
	}
	if !slices.Equal(heard, r.read) {
		t.Errorf("the webhook has heard %v, the reader has read %v", heard, r.read)
	}
}
