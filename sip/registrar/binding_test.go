package registrar

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/sip/gate"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newHeader(name, value string) sip.Header { return sip.NewHeader(name, value) }

func newRegistrar(t testing.TB, store Store) *Registrar {
	t.Helper()
	w := peers(t)
	r, err := New(t.Context(), Config{
		Node: "n1", Door: newDoor(t, w), World: func() *routing.World { return w }, Store: store, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// register gives code and contacts of the answer.
func (r *Registrar) test(t testing.TB, user string, lines ...string) (int, string) {
	t.Helper()
	res := r.answer(t, user, lines...)
	var out []string
	for _, h := range res.GetHeaders("Contact") {
		c := h.(*sip.ContactHeader)
		out = append(out, c.Address.User+"@"+c.Address.Host+";"+c.Params.ToString(';'))
	}
	return res.StatusCode, strings.Join(out, " ")
}

func (r *Registrar) answer(t testing.TB, user string, lines ...string) *sip.Response {
	t.Helper()
	peer := r.config.World().Catalog.Originator("subscriber/" + user)
	return r.register(request(t, "REGISTER", user, lines...), peer, home, "default")
}

func TestRegister(t *testing.T) {
	r := newRegistrar(t, newShelf())
	for _, c := range []struct {
		name  string
		lines []string
		code  int
		want  string
	}{
		{"nobody is there", nil, 200, ""},
		{"one", []string{"Contact: <sip:anna@192.0.2.7:5061>;expires=600"}, 200, "anna@192.0.2.7;expires=600"},
		{"two more", []string{"CSeq: 2 REGISTER", "Contact: <sip:anna@192.0.2.8>;q=0.5, <sip:anna@192.0.2.9>;expires=99999", "Expires: 120"}, 200,
			"anna@192.0.2.7;expires=600 anna@192.0.2.9;expires=3600 anna@192.0.2.8;expires=120;q=0.500"},
		{"a question", []string{"CSeq: 3 REGISTER"}, 200,
			"anna@192.0.2.7;expires=600 anna@192.0.2.9;expires=3600 anna@192.0.2.8;expires=120;q=0.500"},
		{"an old request", []string{"CSeq: 2 REGISTER", "Contact: <sip:anna@192.0.2.9>;expires=0"}, 400, ""},
		{"one goes", []string{"CSeq: 4 REGISTER", "Contact: <sip:anna@192.0.2.9>;expires=0"}, 200,
			"anna@192.0.2.7;expires=600 anna@192.0.2.8;expires=120;q=0.500"},
		{"too short", []string{"CSeq: 5 REGISTER", "Contact: <sip:anna@192.0.2.9>;expires=10"}, 423, ""},
		{"star with a life", []string{"CSeq: 6 REGISTER", "Contact: *", "Expires: 10"}, 400, ""},
		{"star without", []string{"CSeq: 6 REGISTER", "Contact: *"}, 400, ""},
		{"star and another", []string{"CSeq: 6 REGISTER", "Contact: *", "Contact: <sip:a@b>", "Expires: 0"}, 400, ""},
		{"an old star", []string{"CSeq: 1 REGISTER", "Contact: *", "Expires: 0"}, 400, ""},
		{"bad life", []string{"CSeq: 7 REGISTER", "Contact: <sip:a@b>;expires=soon"}, 400, ""},
		{"bad q", []string{"CSeq: 7 REGISTER", "Contact: <sip:a@b>;q=2"}, 400, ""},
		{"not sip", []string{"CSeq: 7 REGISTER", "Contact: <mailto:a@b>"}, 400, ""},
		{"all go", []string{"CSeq: 8 REGISTER", "Contact: *", "Expires: 0"}, 200, ""},
		{"another device after all", []string{"Call-ID: b", "Contact: <sip:anna@192.0.2.7:5061>"}, 200, "anna@192.0.2.7;expires=3600"},
	} {
		code, got := r.test(t, "anna", c.lines...)
		if code != c.code || got != c.want && sorted(got) != sorted(c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, code, got, c.code, c.want)
		}
	}
	if h := r.answer(t, "anna", "CSeq: 99 REGISTER", "Contact: <sip:a@b>;expires=1").GetHeader("Min-Expires"); h == nil || h.Value() != "60" {
		t.Error("the least life is not told")
	}
}

func sorted(s string) string {
	words := strings.Fields(s)
	slices.Sort(words)
	return strings.Join(words, " ")
}

func TestRegisterForAnother(t *testing.T) {
	r := newRegistrar(t, newShelf())
	anna := r.config.World().Catalog.Originator("subscriber/anna")
	if res := r.register(request(t, "REGISTER", "carl", "Contact: <sip:x@192.0.2.7>"), anna, home, "default"); res.StatusCode != 403 {
		t.Errorf("anna registers carl: %d", res.StatusCode)
	}
	pbx := r.config.World().Catalog.Originator("pbx")
	if res := r.register(request(t, "REGISTER", "pbx-1", "Contact: <sip:x@192.0.2.7>"), pbx, home, "default"); res.StatusCode != 403 {
		t.Errorf("an originator registers: %d", res.StatusCode)
	}
}

// Of too many devices those go that were not heard of for the longest time.
func TestContactsAreBounded(t *testing.T) {
	store := newShelf()
	r := newRegistrar(t, store)
	for i := range 5 {
		r.test(t, "anna", fmt.Sprintf("Call-ID: %d", i), fmt.Sprintf("Contact: <sip:anna@192.0.2.%d>", i))
	}
	_, got := r.test(t, "anna", "Call-ID: x")
	if sorted(got) != "anna@192.0.2.2;expires=3600 anna@192.0.2.3;expires=3600 anna@192.0.2.4;expires=3600" {
		t.Error(got)
	}
	r.config.MaxBindings = 3
	if code, _ := r.test(t, "carl", "Contact: <sip:carl@192.0.2.1>"); code != 503 {
		t.Errorf("beyond all bounds: %d", code)
	}
	if code, _ := r.test(t, "anna", "Call-ID: y", "Contact: <sip:anna@192.0.2.4>"); code != 200 {
		t.Errorf("a refresh at the bound: %d", code)
	}
}

// The answer once sorted the list that others were reading.
func TestAnswerLeavesTheListAlone(t *testing.T) {
	list := []Binding{{Contact: "sip:a@192.0.2.1", Q: 1}, {Contact: "sip:a@192.0.2.2", Q: 1000}}
	res := registered(request(t, "REGISTER", "anna"), list)
	if list[0].Q != 1 || res.GetHeaders("Contact")[0].(*sip.ContactHeader).Address.Host != "192.0.2.2" {
		t.Errorf("the list is %v, the answer\n%s", list, res)
	}
}

// Two nodes that write at once lose nothing, and each knows what the other wrote.
func TestTwoNodes(t *testing.T) {
	store := newShelf()
	a, b := newRegistrar(t, store), newRegistrar(t, store)
	store.between = func() { b.test(t, "anna", "Call-ID: b", "Contact: <sip:anna@192.0.2.2>") }
	a.test(t, "anna", "Contact: <sip:anna@192.0.2.1>")
	for _, r := range []*Registrar{a, b, newRegistrar(t, store)} {
		if n := r.Registered("anna"); n != 2 {
			t.Errorf("%d bindings", n)
		}
		if !r.Knows(home.Addr()) || r.Knows(netip.MustParseAddr("192.0.2.99")) || !r.From("anna", home) {
			t.Error("who is known")
		}
	}
}

func TestForget(t *testing.T) {
	store := newShelf()
	r := newRegistrar(t, store)
	r.test(t, "anna", "Contact: <sip:anna@192.0.2.1>;expires=60, <sip:anna@192.0.2.2>;expires=600")
	later := time.Now().Add(61 * time.Second)
	other := newRegistrar(t, store)
	other.config.Node = "n2"
	for _, c := range []struct {
		r    *Registrar
		want int
	}{{other, 2}, {r, 1}} {
		if err := c.r.Forget(later); err != nil {
			t.Fatal(err)
		}
		if n := len(r.index.get("anna")); n != c.want {
			t.Errorf("%d bindings are left, want %d", n, c.want)
		}
	}
	gone := routing.Compile(peers(t).Catalog, nil)
	r.config.World = func() *routing.World { return gone }
	store.data["who"], store.revision["who"] = store.data["anna"], 1
	r.index.set("who", r.index.get("anna"))
	if err := r.Forget(later); err != nil || r.Registered("who") != 0 || store.data["who"] != nil {
		t.Errorf("a subscriber who was removed is registered: %v", err)
	}
}

func TestWhereDevicesAre(t *testing.T) {
	for _, c := range []struct {
		name, via, contact, path, want string
	}{
		{"as it says", "", "<sip:anna@192.0.2.7:5090>", "", "192.0.2.7:5090"},
		{"as it says, without a port", "", "<sip:anna@192.0.2.7>", "", "192.0.2.7:5060"},
		{"asks for rport", ";rport", "<sip:anna@192.0.2.7:5090>", "", "192.0.2.7:5061"},
		{"another address", "", "<sip:anna@10.0.0.5:5090>", "", "192.0.2.7:5061"},
		{"a name", "", "<sip:anna@phone.invalid>", "", "192.0.2.7:5061"},
		{"by a proxy", ";rport", "<sip:anna@10.0.0.5:5090>", "<sip:192.0.2.40:5070;lr>, <sip:192.0.2.41;lr>", "192.0.2.40:5070"},
	} {
		r := newRegistrar(t, newShelf())
		lines := []string{"Contact: " + c.contact}
		if c.path != "" {
			lines = append(lines, "Supported: path", "Path: "+c.path)
		}
		req := request(t, "REGISTER", "anna", lines...)
		if c.via != "" {
			req.Via().Params.Add("rport", "")
		}
		res := r.register(req, r.config.World().Catalog.Originator("subscriber/anna"), home, "default")
		got := r.Contacts("anna")
		if res.StatusCode != 200 || len(got) != 1 || got[0].Destination != c.want {
			t.Errorf("%s: %d, %v, want %s", c.name, res.StatusCode, got, c.want)
			continue
		}
		if c.path != "" && (len(got[0].Routes) != 2 || res.GetHeader("Path") == nil) {
			t.Errorf("%s: routes %v", c.name, got[0].Routes)
		}
	}
}

// Whatever devices do, a subscriber never has more bindings than allowed, none twice,
// none that is older than what was said last, and all nodes know the same.
func TestRandomRegistrations(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := newShelf()
		nodes := []*Registrar{newRegistrar(t, store), newRegistrar(t, store)}
		newest := map[string]int{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			device := rapid.IntRange(1, 5).Draw(rt, "device")
			id, contact := fmt.Sprint("c", device), fmt.Sprintf("sip:anna@192.0.2.%d", device)
			seq := rapid.IntRange(1, 6).Draw(rt, "cseq")
			life := rapid.SampledFrom([]int{0, 60, 600}).Draw(rt, "life")
			r := rapid.SampledFrom(nodes).Draw(rt, "node")
			there := slices.ContainsFunc(r.Bindings("anna"), func(b Binding) bool { return b.Contact == contact })
			code, _ := r.test(t, "anna", "Call-ID: "+id, fmt.Sprintf("CSeq: %d REGISTER", seq), fmt.Sprintf("Contact: <%s>;expires=%d", contact, life))
			switch {
			case there && seq <= newest[id]:
				if code != 400 {
					rt.Fatalf("an old request is answered %d", code)
				}
			case code != 200:
				rt.Fatalf("answered %d", code)
			default:
				newest[id] = seq
			}
			var lists []string
			for _, n := range nodes {
				var have []string
				for _, b := range n.Bindings("anna") {
					have = append(have, b.Contact)
				}
				slices.Sort(have)
				if len(have) > 3 || len(slices.Compact(slices.Clone(have))) != len(have) {
					rt.Fatalf("bindings %v", have)
				}
				lists = append(lists, strings.Join(have, " "))
			}
			if lists[0] != lists[1] {
				rt.Fatalf("one node knows %s, the other %s", lists[0], lists[1])
			}
		}
	})
}

func TestPace(t *testing.T) {
	var p pace
	passed := 0
	for range 3 * paceBurst {
		if p.allow(home.Addr(), noon) {
			passed++
		}
	}
	if passed != paceBurst {
		t.Errorf("%d at once", passed)
	}
	if !p.allow(home.Addr(), noon.Add(time.Second)) {
		t.Error("never again")
	}
}

var _ Store = (*shelf)(nil)

// A watch that ends says so.
func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := newRegistrar(t, newShelf())
	if err := r.Keep(ctx); err != nil {
		t.Error(err)
	}
}

// A device behind a NAT, or on a connection, is called through the node that it
// registered at, while that is there; others are called from any node.
func TestContactsElsewhere(t *testing.T) {
	open, err := gate.Open(gate.Config{
		Node: "n2", Known: func(netip.Addr) bool { return true }, Log: slog.New(slog.DiscardHandler),
		Listeners: []gate.ListenerConfig{{Name: "default", Addr: netip.MustParseAddr("127.0.0.1"), Ports: map[string]uint16{"udp": 0}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = open.Close(context.Background()) }) // it has done nothing
	at := &gate.Place{Addr: netip.MustParseAddr("192.0.2.1"), Ports: map[string]uint16{"udp": 5060, "tcp": 5060}}
	up := true
	r := &Registrar{
		config: Config{Node: "n2", Gate: open, Up: func(string) bool { return up }, Log: slog.New(slog.DiscardHandler)},
		index:  index{users: map[string][]Binding{}, addrs: map[netip.Addr]int{}},
	}
	for name, c := range map[string]struct {
		b          Binding
		while, off string // the listener while the node is up and down; "-" for no contact
	}{
		"plain":      {Binding{Transport: "udp", At: at}, "default", "default"},
		"NAT":        {Binding{Transport: "udp", At: at, NAT: true}, "n1/default", "default"},
		"connection": {Binding{Transport: "tcp", At: at}, "n1/default", "-"},
		"a proxy":    {Binding{Transport: "tcp", At: at, Path: []string{"sip:192.0.2.9;lr"}}, "default", "default"},
		"shared":     {Binding{Transport: "udp", NAT: true}, "default", "default"},
	} {
		c.b.Node, c.b.Listener, c.b.Contact, c.b.Source = "n1", "default", "sip:anna@192.0.2.7", "192.0.2.7:5062"
		c.b.Expires = time.Now().Add(time.Minute).UnixMicro()
		r.index.set("anna", []Binding{c.b})
		for _, state := range []bool{true, false} {
			up = state
			got, want := "-", c.while
			if list := r.Contacts("anna"); len(list) == 1 {
				got = list[0].Listener
			}
			if !up {
				want = c.off
			}
			if got != want {
				t.Errorf("%s, its node up %v: by %s, want %s", name, up, got, want)
			}
		}
	}
}
