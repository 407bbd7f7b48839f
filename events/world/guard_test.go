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

func TestGuardRulesAreRead(t *testing.T) {
	edit, err := world.Read([]byte(`
guard_rules:
  - {id: repeated, name: The same number, measure: calls-to-number, window: 1h, calls: 20, action: block, block: 2d, accounts: [a]}
  - {id: dear, measure: every-call, price_from: "0.5", currency: USD, prefixes: ["882", "883"], except_accounts: [b], window: 10m, action: block}
  - {id: night, measure: calls-to-destination, calls: 5, window: 1h, action: alert, hours: [mon-sun 22:00-06:00], time_zone: Europe/Berlin}
  - {id: new, measure: new-destination, window: 90d, action: alert, disabled: true}
  - {id: spend, measure: spend-on-destination, window: 24h, amount: "100.50", currency: EUR, action: block}
remove: [{kind: guard_rule, id: gone}]
`), catalog.New(), &plain{}, boxes{})
	if err != nil {
		t.Fatal(err)
	}
	want := []*wire.GuardRule{
		{Id: "repeated", Name: "The same number", Measure: wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER, WindowS: 3600, Calls: 20, Action: wire.GuardAction_GUARD_ACTION_BLOCK, BlockS: 172_800, Accounts: []string{"a"}},
		{Id: "dear", Measure: wire.GuardMeasure_GUARD_MEASURE_EVERY_CALL, PriceFromNano: 500_000_000, Currency: "USD", Prefixes: []string{"882", "883"}, ExceptAccounts: []string{"b"}, WindowS: 600, Action: wire.GuardAction_GUARD_ACTION_BLOCK},
		{Id: "night", Measure: wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_DESTINATION, WindowS: 3600, Calls: 5, Action: wire.GuardAction_GUARD_ACTION_ALERT, TimeZone: "Europe/Berlin"},
		{Id: "new", Measure: wire.GuardMeasure_GUARD_MEASURE_NEW_DESTINATION, WindowS: 90 * 86400, Action: wire.GuardAction_GUARD_ACTION_ALERT, Disabled: true},
		{Id: "spend", Measure: wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION, WindowS: 86400, AmountMicro: 100_500_000, Currency: "EUR", Action: wire.GuardAction_GUARD_ACTION_BLOCK},
	}
	for day := range uint32(7) {
		want[2].Hours = append(want[2].Hours, &wire.Hours{FromMinute: day*1440 + 1320, ToMinute: (day+1)*1440 + 360})
	}
	want[2].Hours[6].ToMinute = 360
	var got []*wire.GuardRule
	for _, d := range edit.Differences {
		got = append(got, d.After.GetGuardRule())
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestGuardRulesThatCannotBeRead(t *testing.T) {
	const right = "measure: new-destination, window: 1h, action: alert"
	for rule, want := range map[string]string{
		"measure: x":                              `measure "x" is not one of calls-to-destination`,
		"measure: every-call":                     `action "" is not one of alert, block`,
		right + ", block: x":                      `block "x" is not a length of time`,
		right + ", block: 101d":                   `block "101d" is not a length of time`,
		right + ", price_from: x":                 "price_from: ",
		right + ", amount: x":                     "amount: ",
		right + ", hours: [x]":                    "hours[0]",
		right + ", time_zone: x":                  `time_zone "x" is not an IANA name`,
		strings.Replace(right, "1h", "1500ms", 1): `window "1500ms" is not a length of time in whole seconds`,
	} {
		_, err := world.Read([]byte("guard_rules: [{id: g, "+rule+"}]"), catalog.New(), &plain{}, boxes{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `guard_rules[0] "g"`) {
			t.Errorf("%s: %v, want %q", rule, err, want)
		}
	}
}
