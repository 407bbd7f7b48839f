package world_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/events/world"
)

const routesWorld = `
number_lists: [{id: premium, name: Premium, prefixes: ["4990"], numbers: ["49301"]}]
terminators:
  - id: t
    calls_per_second: 7
    rewrites: [{field: called, match: "^", replace: "+", last: true}]
route_plans:
  - id: p
    order:
      - {by: priority}
      - {by: quality, figure: asr, step: "5", window: 1h, minimum_attempts: 20}
      - {by: quality, figure: pdd, step: 500ms}
      - {by: price, step: "0.001"}
      - {by: weight}
    hunt: [{code: 486, then: stop}, {q850: 34, then: go-on}]
    routes:
      - {prefix: "49", terminator: t, caller_prefixes: ["44"], hours: ["mon-tue 08:00-18:30", "sun 22:00-04:00"], time_zone: Europe/Riga, pdd_timeout: 2s, ring_timeout: 30s}
originators:
  - id: o
    minimum_margin_percent: "2.5"
    prefix_limits: [{prefix: "53", channels: 2, calls_per_second: 1}]
    lists: [{block: premium}, {allow: premium, field: caller}]
`

func TestRoutesAreRead(t *testing.T) {
	edit, err := world.Read([]byte(routesWorld), catalog.New(), &plain{}, boxes{})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{
		&wire.NumberList{Id: "premium", Name: "Premium", Prefixes: []string{"4990"}, Numbers: []string{"49301"}},
		&wire.Terminator{Id: "t", CallsPerSecond: 7, Rewrites: []*wire.RewriteRule{
			{Field: wire.NumberField_NUMBER_FIELD_CALLED, Pattern: "^", Replacement: "+", Last: true}}},
		&wire.RoutePlan{Id: "p", Order: []*wire.OrderBy{
			{Criterion: wire.Criterion_CRITERION_PRIORITY},
			{Criterion: wire.Criterion_CRITERION_QUALITY, Figure: wire.QualityFigure_QUALITY_FIGURE_ASR, Step: 50_000, WindowS: 3600, MinimumAttempts: 20},
			{Criterion: wire.Criterion_CRITERION_QUALITY, Figure: wire.QualityFigure_QUALITY_FIGURE_PDD, Step: 500, WindowS: 900},
			{Criterion: wire.Criterion_CRITERION_PRICE, Step: 1_000_000},
			{Criterion: wire.Criterion_CRITERION_WEIGHT},
		}, HuntRules: []*wire.HuntRule{{SipCode: 486, Stop: true}, {Q850: 34}}},
		&wire.Route{Id: "p/49/t", Plan: "p", Prefix: "49", Terminator: "t", CallerPrefixes: []string{"44"}, TimeZone: "Europe/Riga",
			PddTimeoutMs: 2000, RingTimeoutMs: 30_000, Hours: []*wire.Hours{
				{FromMinute: 480, ToMinute: 1110}, {FromMinute: 1920, ToMinute: 2550}, {FromMinute: 6*1440 + 1320, ToMinute: 240}}},
		&wire.Originator{Id: "o", ProfitMode: wire.ProfitMode_PROFIT_MODE_PROFIT_ONLY, MinimumMarginPpm: 25_000,
			PrefixLimits: []*wire.PrefixLimit{{Prefix: "53", Channels: 2, CallsPerSecond: 1}},
			Lists: []*wire.ListUse{{List: "premium", Field: wire.NumberField_NUMBER_FIELD_CALLED},
				{List: "premium", Field: wire.NumberField_NUMBER_FIELD_CALLER, Allow: true}}},
	}
	var got, entities []*wire.Entity
	for _, d := range edit.Differences {
		got = append(got, d.After)
	}
	for _, m := range want {
		entities = append(entities, catalog.EntityOf(m))
	}
	if diff := cmp.Diff(entities, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestRoutesFaults(t *testing.T) {
	plan := func(s string) string { return "route_plans: [{id: p, " + s + "}]" }
	for _, c := range []struct{ doc, want string }{
		{plan("order: [{by: luck}]"), `by "luck" is not one of price, priority, quality, weight`},
		{plan("order: [{by: price, window: 1h}]"), "belong to quality"},
		{plan("order: [{by: quality}]"), "figure"},
		{plan("order: [{by: quality, figure: asr, step: \"101\"}]"), "from 0 to 100"},
		{plan("order: [{by: quality, figure: asr, window: 2h}]"), "window"},
		{plan("hunt: [{code: 486}]"), "then"},
		{plan("routes: [{prefix: \"4\", terminator: t, hours: [\"someday\"]}]"), "is not a span"},
		{plan("routes: [{prefix: \"4\", terminator: t, hours: [\"mon 8:00-9:00\"]}]"), "is not a span"},
		{plan("routes: [{prefix: \"4\", terminator: t, time_zone: Nowhere/Here}]"), "IANA"},
		{"originators: [{id: o, lists: [{block: a, allow: b}]}]", "one list"},
		{"originators: [{id: o, lists: [{block: a, field: both}]}]", "field"},
		{"terminators: [{id: t, rewrites: [{field: name}]}]", "field"},
	} {
		_, err := world.Read([]byte(c.doc), catalog.New(), &plain{}, boxes{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.doc, err, c.want)
		}
	}
}
