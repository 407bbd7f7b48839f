package catalog

import (
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// maxGuardRules bounds the rules, each of which looks at every call.
	maxGuardRules    = 200
	maxGuardAccounts = 1000
	maxGuardPrefixes = 1000
	// minGuardWindow to maxGuardWindow bound what is counted, in seconds;
	// maxGuardDays how long a destination is remembered, and the longest block.
	minGuardWindow = 60
	maxGuardWindow = 86_400
	maxGuardDays   = 90 * 86_400
	maxGuardCalls  = 1_000_000
)

// GuardRule finds a guard rule by its id.
func (s *State) GuardRule(id string) *wire.GuardRule {
	return s.items[KindGuardRule][id].Entity.GetGuardRule()
}

func validateGuard(g *wire.GuardRule) error {
	if err := validateGuarded(g); err != nil {
		return err
	}
	if err := validateMeasure(g); err != nil {
		return err
	}
	switch {
	case g.Action != wire.GuardAction_GUARD_ACTION_ALERT && g.Action != wire.GuardAction_GUARD_ACTION_BLOCK:
		return events.Invalid("the action must be alert or block")
	case g.BlockS != 0 && g.Action != wire.GuardAction_GUARD_ACTION_BLOCK:
		return events.Invalid("block_s: only a rule whose action is block has a time to block for")
	case g.BlockS != 0 && (g.BlockS < minGuardWindow || g.BlockS > maxGuardDays):
		return events.Invalid("block_s: a block lasts %d to %d s", minGuardWindow, maxGuardDays)
	}
	return checkName(g.Name)
}

// validateGuarded checks what says which calls a rule judges.
func validateGuarded(g *wire.GuardRule) error {
	if len(g.Accounts) > maxGuardAccounts || len(g.ExceptAccounts) > maxGuardAccounts || len(g.TimeZone) > maxZone {
		return events.Invalid("at most %d accounts and as many exceptions are allowed", maxGuardAccounts)
	}
	for i, id := range g.ExceptAccounts {
		if slices.Contains(g.Accounts, id) {
			return events.Invalid("except_accounts.%d: %s is among the accounts that are judged, too", i, id)
		}
	}
	if err := checkPrefixes("prefixes", g.Prefixes, maxGuardPrefixes); err != nil {
		return err
	}
	if g.PriceFromNano < 0 {
		return events.Invalid("price_from_nano: the price is negative")
	}
	if g.Currency != "" {
		if err := checkMoney(g.Currency); err != nil {
			return err
		}
	} else if g.PriceFromNano > 0 || g.AmountMicro > 0 {
		return events.Invalid("the currency of the price or the amount is missing")
	}
	return checkHours(g.Hours)
}

// validateMeasure checks what a rule counts, and how far back.
func validateMeasure(g *wire.GuardRule) error {
	longest := uint32(maxGuardWindow)
	calls, amount := false, false
	switch g.Measure {
	case wire.GuardMeasure_GUARD_MEASURE_EVERY_CALL:
		if len(g.Accounts) == 0 && len(g.Prefixes) == 0 && g.PriceFromNano == 0 && len(g.Hours) == 0 {
			return events.Invalid("a rule for every call needs accounts, prefixes, a price or hours: without them it is for each call of everybody")
		}
	case wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER, wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_DESTINATION:
		calls = true
	case wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION:
		amount = true
	case wire.GuardMeasure_GUARD_MEASURE_NEW_DESTINATION:
		longest = maxGuardDays
	default:
		return events.Invalid("the measure must be every_call, calls_to_number, calls_to_destination, spend_on_destination or new_destination")
	}
	switch {
	case g.WindowS < minGuardWindow || g.WindowS > longest:
		return events.Invalid("window_s: %d s is not %d to %d", g.WindowS, minGuardWindow, longest)
	case calls != (g.Calls > 0):
		return events.Invalid("calls: rules that count calls, and only they, say how many are let through")
	case g.Calls > maxGuardCalls:
		return events.Invalid("calls: at most %d can be counted", maxGuardCalls)
	case amount != (g.AmountMicro > 0):
		return events.Invalid("amount_micro: rules of spend, and only they, have an amount, which is above zero")
	case g.AmountMicro > int64(money.MaxAmount)/2:
		return events.Invalid("amount_micro: the amount is too large")
	}
	return nil
}

// checkHours refuses what is no span of the week.
func checkHours(hours []*wire.Hours) error {
	if len(hours) > maxHours {
		return events.Invalid("at most %d spans of hours are allowed", maxHours)
	}
	for i, h := range hours {
		if h.FromMinute >= weekMinutes || h.ToMinute > weekMinutes || h.FromMinute == h.ToMinute {
			return events.Invalid("hours.%d: %d to %d is no span within the %d minutes of a week", i, h.FromMinute, h.ToMinute, weekMinutes)
		}
	}
	return nil
}

// checkGuards bounds the rules of the state after an edit.
func (s *State) checkGuards() *events.Error {
	if n := s.Len(KindGuardRule); n > maxGuardRules {
		return events.Invalid("there would be %d guard rules; at most %d are allowed", n, maxGuardRules)
	}
	return nil
}
