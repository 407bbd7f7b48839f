package resolve

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
)

// callEvent tells one event of a call in a line.
func callEvent(e *history.Event) *model.CallEvent {
	leg, text := tell(e.Body)
	out := &model.CallEvent{
		Journal: e.Journal, Position: events.Position(e.Position), At: events.Instant(happened(e)),
		Kind: e.Type, Text: text,
	}
	if leg >= 0 {
		out.Leg = &leg
	}
	if json, err := e.JSON(); err == nil {
		s := string(json)
		out.JSON = &s
	}
	return out
}

// happened is when an event took place: as observed, else as recorded.
func happened(e *history.Event) int64 {
	if e.Body.GetEffectiveAtUs() != 0 && e.Journal != "book" {
		return e.Body.GetEffectiveAtUs()
	}
	return e.TimeUS
}

// tell says which leg an event is about, -1 for the whole call, and what it was.
func tell(e *wire.Event) (int, string) {
	switch b := e.GetBody().(type) {
	case *wire.Event_CallReceived:
		c := b.CallReceived
		return 0, fmt.Sprintf("INVITE from %s (%s): %s calls %s", c.Originator, c.Source, c.Caller, c.Called)
	case *wire.Event_CallRouted:
		return -1, tellRoute(b.CallRouted)
	case *wire.Event_GuardTripped:
		return -1, "trips " + history.TellTrip(b.GuardTripped)
	case *wire.Event_AttemptStarted:
		a := b.AttemptStarted
		return int(a.Leg), fmt.Sprintf("INVITE to %s (%s): %s", a.Terminator, a.Destination, a.CalledOut)
	case *wire.Event_LegRinging:
		if b.LegRinging.EarlyMedia {
			return int(b.LegRinging.Leg), fmt.Sprintf("%d with early media", b.LegRinging.Code)
		}
		return int(b.LegRinging.Leg), fmt.Sprintf("%d ringing", b.LegRinging.Code)
	case *wire.Event_LegAnswered:
		return int(b.LegAnswered.Leg), strings.TrimSpace("200 answered " + b.LegAnswered.Codec)
	case *wire.Event_LegEnded:
		l := b.LegEnded
		return int(l.Leg), fmt.Sprintf("ended: %d %s, %s, talked %s", l.SipCode, l.Reason, l.Cause, seconds(l.RawMs)) + tellTried(l.Tried)
	default:
		return -1, tellBook(e)
	}
}

// tellTried tells at which addresses a vendor was tried.
func tellTried(list []*wire.AddressTried) string {
	var out []string
	for _, a := range list {
		out = append(out, a.Address+": "+a.Outcome)
	}
	if len(out) == 0 {
		return ""
	}
	return "; tried " + strings.Join(out, ", then ")
}

// tellRoute tells whom a call may try, and why not others.
func tellRoute(d *wire.CallRouted) string {
	var tried, left []string
	for _, c := range d.Choices {
		if c.Rejected == "" {
			tried = append(tried, c.Terminator)
		} else {
			left = append(left, c.Terminator+" ("+c.Rejected+")")
		}
	}
	words := "route: " + strings.Join(tried, ", ")
	if d.Refused != "" {
		words = "no route: " + d.Refused
	}
	if d.Guard != "" {
		words = "blocked by guard rule " + d.Guard
	}
	if len(left) > 0 {
		words += "; left out: " + strings.Join(left, ", ")
	}
	return words
}

// tellBook tells what the book decided about a call.
func tellBook(e *wire.Event) string {
	switch b := e.GetBody().(type) {
	case *wire.Event_HoldPlaced:
		return tellHold(b.HoldPlaced)
	case *wire.Event_RouteAdvanced:
		return "goes on to candidate " + strconv.Itoa(int(b.RouteAdvanced.Candidate)+1) + tellPassed(b.RouteAdvanced.Passed)
	case *wire.Event_HoldExtended:
		return fmt.Sprintf("hold extended to %s", seconds(b.HoldExtended.PaidMs))
	case *wire.Event_CallCharged:
		return tellCharge(b.CallCharged.Lines)
	case *wire.Event_OfflineWrittenUp:
		return tellOffline(b.OfflineWrittenUp)
	case *wire.Event_HoldReleased:
		return "hold released: " + b.HoldReleased.Reason
	case *wire.Event_HoldClaimed:
		return fmt.Sprintf("taken over by %s from %s", b.HoldClaimed.ToNode, b.HoldClaimed.FromNode)
	case *wire.Event_ChargeContested:
		return "a second charge with other figures was refused"
	default:
		return ""
	}
}

func tellHold(h *wire.HoldPlaced) string {
	var held []string
	for _, l := range h.Lines {
		if l.Payer != "" {
			held = append(held, fmt.Sprintf("%s %s of %s", money.Amount(l.AmountMicro), rating.Currency(l.GetSell()), l.Payer))
		}
		if l.PackageMicro > 0 {
			held = append(held, seconds(l.PackageMicro/1000)+" of package "+l.Package)
		}
	}
	words := "held " + strings.Join(held, ", ")
	if len(held) == 0 {
		words = "nothing to pay: let through"
	}
	if h.Emergency != "" {
		words = "an emergency call to " + h.Emergency + ": " + words
	}
	return fmt.Sprintf("%s for %s; %d candidates", words, seconds(h.PaidMs), len(h.Route)) + tellPassed(h.Passed)
}

// tellPassed tells whom the book passed over.
func tellPassed(passed []*wire.PassedOver) string {
	words := ""
	for _, p := range passed {
		words += fmt.Sprintf("; candidate %d passed over: %s", p.Candidate+1, p.Reason)
	}
	return words
}

func tellCharge(price []*wire.PriceLine) string {
	var lines []string
	for _, l := range price {
		word := "charged"
		if l.Side == wire.Side_SIDE_BUY {
			word = "owed"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s to %s", word, money.Amount(l.GrossMicro), rating.Currency(l.GetTerms()), l.Account))
		if l.PackageS > 0 {
			lines = append(lines, fmt.Sprintf("%d s to package %s", l.PackageS, l.Package))
		}
	}
	return strings.Join(lines, ", ")
}

// tellOffline tells how a call that was let through without the book got into it.
func tellOffline(u *wire.OfflineWrittenUp) string {
	words := fmt.Sprintf("offline call %d of %s written up", u.Call.GetNumber(), u.Node)
	switch {
	case u.Hold != nil:
		return words + ", it goes on"
	case u.Booked && len(u.Lines) > 0:
		return words + ": " + tellCharge(u.Lines)
	case u.Booked:
		return words + ": it cost nothing"
	}
	return words + "; the book knew the call already"
}

// seconds writes milliseconds as "61.250 s".
func seconds(ms int64) string { return model.Decimal{Units: ms, Places: 3}.String() + " s" }
