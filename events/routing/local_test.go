package routing_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// local has the subscribers anna and bert of company co, carl of another one, and
// the numbers 4930 of bert, whose owner pays, 4931 of carl, 4932 of the peer alfa.
func local(t *testing.T, edit func(bert *wire.Subscriber)) *routing.World {
	bert := &wire.Subscriber{Id: "bert", Company: "co", Account: "b", SellDeck: "sell", Channels: 1}
	if edit != nil {
		edit(bert)
	}
	return newWorld(t, &wire.Originator{Id: "o", Company: "trunk", SellDeck: "sell", RoutePlan: "p"},
		[]string{"49 alfa"}, []string{"sell 48 0.30", "sell 49 0.10", "own 4930 0.02", "alfa 49 0.05"}, func(w *world) {
			w.put(&wire.Company{Id: "co"})
			w.put(&wire.Subscriber{Id: "anna", Company: "co", Account: "a", SellDeck: "sell"})
			w.put(bert)
			w.put(&wire.Subscriber{Id: "carl", Company: "other", Account: "c", SellDeck: "sell"})
			w.put(&wire.Did{Number: "4930", Company: "co", Subscriber: "bert", Account: "b", SellDeck: "own"})
			w.put(&wire.Did{Number: "4931", Company: "other", Subscriber: "carl"})
			w.put(&wire.Did{Number: "4932", Company: "co", Terminator: "alfa"})
			w.put(&wire.Did{Number: "33", Company: "co", Subscriber: "carl"})
			w.put(&wire.Did{Number: "4933", Company: "co", Subscriber: "carl", Disabled: true})
		})
}

// decided writes a decision in a line.
func decided(d routing.Decision) string {
	var out []string
	for _, c := range d.Candidates {
		out = append(out, c.Terminator.Id)
	}
	for _, c := range d.Rejected {
		out = append(out, "no "+c.Terminator.Id+" "+string(c.Rejected))
	}
	if d.Refused != "" {
		out = append(out, "refused "+string(d.Refused))
	}
	if d.Sell != nil {
		out = append(out, fmt.Sprintf("sold %d", d.Sell.PriceNextNano/1_000_000))
	}
	if d.Owner != nil {
		out = append(out, fmt.Sprintf("owner pays %d", d.Owner.Sell.PriceNextNano/1_000_000))
	}
	if !d.Local {
		out = append(out, "not local")
	}
	return strings.Join(out, ", ")
}

func TestCallsWithinTheSwitch(t *testing.T) {
	there := func(n int) func(string) int { return func(string) int { return n } }
	busy := func(string) int { return 1 }
	for _, c := range []struct {
		name, from, called string
		edit               func(*wire.Subscriber)
		request            routing.Request
		want               string
	}{
		{"by id", "subscriber/anna", "bert", nil, routing.Request{}, "subscriber/bert"},
		{"by id, another company", "subscriber/anna", "carl", nil, routing.Request{}, "subscriber/carl"},
		{"by number, the same company", "subscriber/anna", "4930", nil, routing.Request{}, "subscriber/bert, owner pays 20"},
		{"by number", "subscriber/anna", "4931", nil, routing.Request{}, "subscriber/carl, sold 100"},
		{"by a number without a price", "o", "33", nil, routing.Request{}, "subscriber/carl"},
		{"from a peer", "o", "4930", nil, routing.Request{}, "subscriber/bert, sold 100, owner pays 20"},
		{"from a peer, to a peer", "o", "4932", nil, routing.Request{}, "alfa, sold 100"},
		{"a peer cannot dial ids", "o", "bert", nil, routing.Request{}, "refused no_price, not local"},
		{"a number that is off", "o", "4933", nil, routing.Request{}, "no alfa no_buy_price, refused no_candidate, sold 100, not local"},
		{"nobody there", "subscriber/anna", "bert", nil, routing.Request{Registered: there(0)}, "no subscriber/bert not_registered, refused not_registered"},
		{"somebody there", "subscriber/anna", "bert", nil, routing.Request{Registered: there(2)}, "subscriber/bert"},
		{"busy", "subscriber/anna", "bert", nil, routing.Request{InUse: busy}, "no subscriber/bert busy, refused busy"},
		{"switched off", "subscriber/anna", "bert", func(s *wire.Subscriber) { s.Disabled = true }, routing.Request{}, "no subscriber/bert disabled, refused no_candidate"},
		{"forwards always", "subscriber/anna", "bert", func(s *wire.Subscriber) { s.ForwardAlways = "48" }, routing.Request{}, "forward/bert"},
		{"forwards if busy", "subscriber/anna", "bert", func(s *wire.Subscriber) { s.ForwardBusy = "48" }, routing.Request{}, "subscriber/bert, forward/bert"},
		{"is busy and forwards", "subscriber/anna", "bert", func(s *wire.Subscriber) { s.ForwardBusy = "48" }, routing.Request{InUse: busy}, "forward/bert, no subscriber/bert busy"},
		{"is busy and forwards for no answer", "subscriber/anna", "bert", func(s *wire.Subscriber) { s.ForwardNoAnswer = "48" }, routing.Request{InUse: busy}, "no subscriber/bert busy, refused busy"},
		{"is away and forwards", "subscriber/anna", "bert", func(s *wire.Subscriber) { s.ForwardNoAnswer = "48" }, routing.Request{Registered: there(0)}, "forward/bert, no subscriber/bert not_registered"},
	} {
		w := local(t, c.edit)
		r := c.request
		r.Originator, r.Called = w.Catalog.Originator(c.from), c.called
		if got := decided(w.Route(r)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWhatIsDialled(t *testing.T) {
	w := local(t, nil)
	anna, trunk := w.Catalog.Originator("subscriber/anna"), w.Catalog.Originator("o")
	for _, c := range []struct {
		o            *wire.Originator
		called, want string
		ok           bool
	}{
		{anna, "Bert", "bert", true}, {anna, "+49 30", "", false}, {anna, "+49-30", "4930", true}, {anna, "nobody", "", false},
		{trunk, "bert", "", false}, {trunk, "4930", "4930", true},
	} {
		if got, ok := w.Dialled(c.o, c.called); got != c.want || ok != c.ok {
			t.Errorf("%s dials %s: %q, %v", c.o.Id, c.called, got, ok)
		}
	}
}

func TestForwardAfter(t *testing.T) {
	all := &wire.Subscriber{ForwardBusy: "1", ForwardNoAnswer: "2"}
	for _, c := range []struct {
		s    *wire.Subscriber
		code uint32
		why  routing.Reason
		want routing.Forward
	}{
		{&wire.Subscriber{ForwardAlways: "3", ForwardBusy: "1"}, 0, "", routing.Forward{To: "3", Reason: "unconditional"}},
		{all, 486, "", routing.Forward{To: "1", Reason: "user-busy"}},
		{all, 603, "", routing.Forward{To: "1", Reason: "user-busy"}},
		{all, 0, routing.Busy, routing.Forward{To: "1", Reason: "user-busy"}},
		{all, 480, "", routing.Forward{To: "2", Reason: "no-answer"}},
		{all, 500, "", routing.Forward{To: "2", Reason: "no-answer"}},
		{all, 0, routing.NotRegistered, routing.Forward{To: "2", Reason: "unavailable"}},
		{&wire.Subscriber{ForwardBusy: "1"}, 480, "", routing.Forward{}},
		{&wire.Subscriber{ForwardNoAnswer: "2"}, 486, "", routing.Forward{}},
		{&wire.Subscriber{}, 486, "", routing.Forward{}},
	} {
		if got := routing.ForwardAfter(c.s, c.code, c.why); got != c.want {
			t.Errorf("%v after %d: %v, want %v", c.s, c.code, got, c.want)
		}
	}
}
