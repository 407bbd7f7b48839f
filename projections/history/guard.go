package history

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// TellTrip tells in words which rule was tripped by what.
func TellTrip(e *wire.GuardTripped) string {
	what := "a call to " + e.Subject
	window := time.Duration(e.WindowS) * time.Second
	switch e.Measure {
	case wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER, wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_DESTINATION:
		what = fmt.Sprintf("%d calls to %s in %s", e.Count, e.Subject, window)
	case wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION:
		what = fmt.Sprintf("%s %s for calls to %s in %s", money.Amount(e.AmountMicro), e.Currency, e.Subject, window)
	case wire.GuardMeasure_GUARD_MEASURE_NEW_DESTINATION:
		what = "the first call to " + e.Subject + " in " + window.String()
	}
	then := "told"
	if e.Action == wire.GuardAction_GUARD_ACTION_BLOCK {
		then = "blocked until " + instant(e.UntilUs)
	}
	return fmt.Sprintf("guard rule %s: %s; %s", e.Rule, what, then)
}

func tellLift(e *wire.GuardLifted) string {
	words := fmt.Sprintf("guard rule %s: calls of %s to %s pass until %s", e.Rule, e.Account, e.Subject, instant(e.UntilUs))
	if e.Note != "" {
		words += ": " + strings.TrimSpace(e.Note)
	}
	return words
}

func instant(us int64) string { return events.Instant(us).UTC().Format(time.RFC3339) }
