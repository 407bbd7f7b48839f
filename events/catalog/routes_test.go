package catalog_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

func TestRouteRulesAreChecked(t *testing.T) {
	s := world(t, small()...)
	quality := wire.Criterion_CRITERION_QUALITY
	asr := wire.QualityFigure_QUALITY_FIGURE_ASR
	called := wire.NumberField_NUMBER_FIELD_CALLED
	plan := func(p *wire.RoutePlan) any { p.Id = "p"; return p }
	route := func(r *wire.Route) any {
		r.Id, r.Plan, r.Prefix, r.Terminator = "p/49/t", "p", "49", "t"
		return r
	}
	origin := func(spoil func(*wire.Originator)) any {
		o := proto.CloneOf(s.Originator("o"))
		spoil(o)
		return o
	}
	for _, c := range []struct {
		put  any
		want string
	}{
		{plan(&wire.RoutePlan{Order: make([]*wire.OrderBy, 7)}), "at most 6"},
		{plan(&wire.RoutePlan{Order: []*wire.OrderBy{{}}}), "order.0: the criterion is missing"},
		{plan(&wire.RoutePlan{Order: []*wire.OrderBy{{Criterion: 9}}}), "criterion"},
		{plan(&wire.RoutePlan{Order: []*wire.OrderBy{{Criterion: 1, Step: 1 << 60}}}), "step"},
		{plan(&wire.RoutePlan{Order: []*wire.OrderBy{{Criterion: quality, WindowS: 900}}}), "figure"},
		{plan(&wire.RoutePlan{Order: []*wire.OrderBy{{Criterion: quality, Figure: asr, WindowS: 901}}}), "window of 901"},
		{plan(&wire.RoutePlan{Order: []*wire.OrderBy{{Criterion: quality, Figure: asr, WindowS: 900}}}), ""},
		{plan(&wire.RoutePlan{HuntRules: []*wire.HuntRule{{SipCode: 200}}}), "200 is not"},
		{plan(&wire.RoutePlan{HuntRules: []*wire.HuntRule{{Q850: 128}}}), "128 is not"},
		{plan(&wire.RoutePlan{HuntRules: make([]*wire.HuntRule, 65)}), "at most 64"},
		{plan(&wire.RoutePlan{HuntRules: []*wire.HuntRule{{SipCode: 486, Q850: 17, Stop: true}, {}}}), ""},
		{route(&wire.Route{CallerPrefixes: []string{"+4"}}), "caller_prefixes.0"},
		{route(&wire.Route{CallerPrefixes: make([]string, 201)}), "at most 200"},
		{route(&wire.Route{Hours: []*wire.Hours{{FromMinute: 10_080, ToMinute: 5}}}), "hours.0"},
		{route(&wire.Route{Hours: []*wire.Hours{{FromMinute: 5, ToMinute: 5}}}), "hours.0"},
		{route(&wire.Route{Hours: []*wire.Hours{{FromMinute: 10_000, ToMinute: 10_080}}}), ""},
		{route(&wire.Route{RingTimeoutMs: 600_001}), "ring timeout"},
		{origin(func(o *wire.Originator) { o.MinimumMarginPpm = 1_000_001 }), "100 %"},
		{origin(func(o *wire.Originator) { o.Rewrites = []*wire.RewriteRule{{Field: called, Pattern: "("}} }), "rewrites.0"},
		{origin(func(o *wire.Originator) { o.Lists = []*wire.ListUse{{List: "who", Field: called}} }), "needs number list who"},
		{origin(func(o *wire.Originator) { o.Lists = []*wire.ListUse{{List: "l"}} }), "lists.0: the field"},
		{origin(func(o *wire.Originator) { o.Lists = []*wire.ListUse{{Field: called}} }), "lists.0: the list"},
		{origin(func(o *wire.Originator) { o.Lists = make([]*wire.ListUse, 17) }), "at most 16"},
		{origin(func(o *wire.Originator) { o.PrefixLimits = []*wire.PrefixLimit{{Prefix: "5"}, {Prefix: "5"}} }), "limited twice"},
		{origin(func(o *wire.Originator) { o.PrefixLimits = []*wire.PrefixLimit{{}} }), "prefix_limits.0"},
		{&wire.NumberList{Id: "l", Numbers: []string{"abc"}}, "numbers.0"},
	} {
		_, err := s.Decide(now, changes([]any{c.put}))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.put, err, c.want)
		}
	}
	// A list in use stays.
	used := apply(t, s, 2, put(origin(func(o *wire.Originator) {
		o.Lists = []*wire.ListUse{{List: "l", Field: called}, {List: "l", Field: wire.NumberField_NUMBER_FIELD_CALLER}}
	})))
	gone := []*wire.ExpectedChange{remove(&wire.NumberList{Id: "l"})}
	if _, err := used.Decide(now, gone); events.CodeOf(err) != events.CodeConflict {
		t.Errorf("a list in use goes: %v", err)
	}
	if _, err := s.Decide(now, gone); err != nil {
		t.Errorf("a list that nobody uses stays: %v", err)
	}
	if used.NumberList("l") == nil || catalog.PrefixLimit(nil, "4") != nil {
		t.Error("look-ups")
	}
}
