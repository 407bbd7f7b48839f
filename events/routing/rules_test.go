package routing_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	called     = wire.NumberField_NUMBER_FIELD_CALLED
	callerOf   = wire.NumberField_NUMBER_FIELD_CALLER
	callerName = wire.NumberField_NUMBER_FIELD_CALLER_NAME
)

// edit changes a route, the terminator of a, or the originator of a small world.
func edited(route func(*wire.Route), vendor func(*wire.Terminator)) func(*world) {
	return func(w *world) {
		w.put(&wire.NumberList{Id: "premium", Prefixes: []string{"4990"}, Numbers: []string{"4930"}})
		w.put(&wire.NumberList{Id: "friends", Prefixes: []string{"4930"}})
		r := &wire.Route{Id: "p/49/a", Plan: "p", Prefix: "49", Terminator: "a"}
		if route != nil {
			route(r)
		}
		w.put(r)
		v := &wire.Terminator{Id: "a", Company: "co-a", BuyDeck: "buy-a"}
		if vendor != nil {
			vendor(v)
		}
		w.put(v)
	}
}

func TestRules(t *testing.T) {
	monday := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	office := []*wire.Hours{{FromMinute: 8 * 60, ToMinute: 18 * 60}}
	weekend := []*wire.Hours{{FromMinute: 6 * 1440, ToMinute: 9 * 60}} // Sunday to Monday 9:00
	zone := func(string) (int, bool) { return -2 * 3600, true }
	block := func(f wire.NumberField) []*wire.ListUse { return []*wire.ListUse{{List: "premium", Field: f}} }
	allow := func(f wire.NumberField) []*wire.ListUse {
		return []*wire.ListUse{{List: "friends", Field: f, Allow: true}}
	}
	for _, c := range []struct {
		name   string
		route  func(*wire.Route)
		vendor func(*wire.Terminator)
		origin func(*wire.Originator)
		ask    routing.Request
		want   string
	}{
		{name: "no rules", want: "a b"},
		{name: "a caller of the route's", route: func(r *wire.Route) { r.CallerPrefixes = []string{"44", "33"} }, ask: routing.Request{Caller: "331"}, want: "a b"},
		{name: "another caller", route: func(r *wire.Route) { r.CallerPrefixes = []string{"44", "33"} }, ask: routing.Request{Caller: "1"}, want: "b | a:wrong_origin"},
		{name: "nobody calls", route: func(r *wire.Route) { r.CallerPrefixes = []string{"44"} }, want: "b | a:wrong_origin"},
		{name: "within hours", route: func(r *wire.Route) { r.Hours = office }, want: "a b"},
		{name: "after hours in its zone", route: func(r *wire.Route) { r.Hours, r.TimeZone = office, "West" }, want: "b | a:closed"},
		{name: "a zone that nobody knows", route: func(r *wire.Route) { r.Hours, r.TimeZone = office, "?" },
			ask: routing.Request{Offset: func(string) (int, bool) { return 0, false }}, want: "b | a:closed"},
		{name: "over the week's end", route: func(r *wire.Route) { r.Hours = weekend }, want: "b | a:closed"},
		{name: "over the week's end, earlier", route: func(r *wire.Route) { r.Hours, r.TimeZone = weekend, "West" }, want: "a b"},
		{name: "blocked at the originator", origin: func(o *wire.Originator) { o.Lists = block(called) }, want: "!number_blocked"},
		{name: "another number", origin: func(o *wire.Originator) { o.Lists = block(called) }, ask: routing.Request{Called: "49301"}, want: "a b"},
		{name: "blocked by prefix", origin: func(o *wire.Originator) { o.Lists = block(called) }, ask: routing.Request{Called: "499012"}, want: "!number_blocked"},
		{name: "a blocked caller", origin: func(o *wire.Originator) { o.Lists = block(callerOf) }, ask: routing.Request{Caller: "49901"}, want: "!number_blocked"},
		{name: "not allowed", origin: func(o *wire.Originator) { o.Lists = allow(callerOf) }, ask: routing.Request{Caller: "anonymous"}, want: "!number_blocked"},
		{name: "allowed", origin: func(o *wire.Originator) { o.Lists = allow(called) }, want: "a b"},
		{name: "a block goes before", origin: func(o *wire.Originator) { o.Lists = append(allow(called), block(called)...) }, want: "!number_blocked"},
		{name: "blocked at the terminator", vendor: func(v *wire.Terminator) { v.Lists = block(called) }, want: "b | a:number_blocked"},
		{name: "a margin in per cent", origin: func(o *wire.Originator) { o.MinimumMarginPpm = 900_000 }, want: "a | b:unprofitable"},
		{name: "all of the price", origin: func(o *wire.Originator) { o.MinimumMarginPpm = 1_000_000 }, want: "| a:unprofitable b:unprofitable !no_candidate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := caller()
			if c.origin != nil {
				c.origin(o)
			}
			w := newWorld(t, o, []string{"49 a", "49 b"}, []string{"sell 49 0.10", "buy-a 49 0.01", "buy-b 49 0.02"}, edited(c.route, c.vendor))
			r := c.ask
			r.Originator, r.AtUS = o, monday.UnixMicro()
			if r.Called == "" {
				r.Called = "4930"
			}
			if r.Offset == nil {
				r.Offset = zone
			}
			if diff := cmp.Diff(c.want, told(w.Route(r))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAClosedRouteGivesWay: the vendor's shorter prefix counts while the longer
// one is not for this call.
func TestAClosedRouteGivesWay(t *testing.T) {
	o := caller()
	w := newWorld(t, o, []string{"49 a priority=3", "4930 a"}, []string{"sell 49 0.1", "buy-a 49 0.01"}, func(w *world) {
		w.put(&wire.Route{Id: "p/4930/a", Plan: "p", Prefix: "4930", Terminator: "a", CallerPrefixes: []string{"44"}})
	})
	d := w.Route(routing.Request{Originator: o, Called: "4930", Caller: "33"})
	if told(d) != "a | a:wrong_origin" || d.Candidates[0].Route.Id != "p/49/a" {
		t.Error(told(d))
	}
}

func TestTimeoutsAndLimits(t *testing.T) {
	o := caller()
	o.PrefixLimits = []*wire.PrefixLimit{{Prefix: "49"}, {Prefix: "44"}, {Prefix: "4930"}}
	w := newWorld(t, o, []string{"49 a"}, []string{"sell 49 0.1", "buy-a 49 0.01"}, edited(
		func(r *wire.Route) { r.PddTimeoutMs = 1500 },
		func(v *wire.Terminator) { v.PddTimeoutMs, v.RingTimeoutMs = 4000, 20_000 }))
	d := w.Route(routing.Request{Originator: o, Called: "49301"})
	if pdd, ring := d.Candidates[0].TimeoutsMS(); pdd != 1500 || ring != 20_000 {
		t.Errorf("PDD %d, ring %d", pdd, ring)
	}
	if diff := cmp.Diff([]string{"49", "4930"}, d.LimitPrefixes); diff != "" {
		t.Error(diff)
	}
}

func TestRewrites(t *testing.T) {
	o := caller()
	o.Rewrites = []*wire.RewriteRule{{Field: called, Pattern: "^00", Replacement: ""}, {Field: callerOf, Pattern: "^0([1-9])", Replacement: "49$1"}}
	w := newWorld(t, o, []string{"49 a"}, []string{"sell 49 0.1"}, edited(nil, func(v *wire.Terminator) {
		v.TechPrefix = "77#"
		v.Rewrites = []*wire.RewriteRule{{Field: called, Pattern: "^", Replacement: "+"}, {Field: callerName, Pattern: ".*", Replacement: ""}}
	}))
	in := w.RewriteIn("o", number.Set{Called: "004930", Caller: "0301", CallerName: "Anna"})
	if diff := cmp.Diff(number.Set{Called: "4930", Caller: "49301", CallerName: "Anna"}, in); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(number.Set{Called: "77#+4930", Caller: "49301"}, w.RewriteOut("a", in)); diff != "" {
		t.Error(diff)
	}
	if w.RewriteIn("who", in) != in || w.RewriteOut("who", in) != in {
		t.Error("strangers rewrite")
	}
}

func TestHunt(t *testing.T) {
	for _, c := range []struct {
		name       string
		rules      []*wire.HuntRule
		codes      []uint32
		code, q850 uint32
		want       bool
	}{
		{"usual: a wrong number", nil, nil, 404, 0, true},
		{"usual: busy", nil, nil, 486, 17, false},
		{"the settings' own", nil, []uint32{486}, 486, 17, true},
		{"the settings replace the usual ones", nil, []uint32{486}, 404, 1, false},
		{"a plan's code", []*wire.HuntRule{{SipCode: 486, Stop: true}}, nil, 486, 17, true},
		{"a plan lets a usual one go on", []*wire.HuntRule{{SipCode: 404}}, nil, 404, 1, false},
		{"by cause", []*wire.HuntRule{{Q850: 17, Stop: true}}, nil, 503, 17, true},
		{"by cause, another", []*wire.HuntRule{{Q850: 17, Stop: true}}, nil, 503, 34, false},
		{"by both", []*wire.HuntRule{{SipCode: 503, Q850: 34, Stop: true}}, nil, 503, 41, false},
		{"the first that fits", []*wire.HuntRule{{SipCode: 404, Q850: 3}, {SipCode: 404, Stop: true}}, nil, 404, 3, false},
		{"everything goes on", []*wire.HuntRule{{}}, []uint32{600}, 600, 0, false},
		{"no cause is not any cause", []*wire.HuntRule{{Q850: 1, Stop: true}}, []uint32{600}, 500, 0, false},
	} {
		o := caller()
		w := newWorld(t, o, nil, []string{"sell 49 0.1"}, func(w *world) {
			w.put(&wire.RoutePlan{Id: "p", HuntRules: c.rules})
			w.put(&wire.Settings{Id: "settings", HuntStopCodes: c.codes})
		})
		if got := w.Hunt(o).Stops(c.code, c.q850); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
