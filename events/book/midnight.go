package book

import (
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// answer decides a command, and checks what the pure decision cannot look up.
func (k *Keeper) answer(timeUS int64, cmd *wire.Command) ([]*wire.Event, *wire.Reply) {
	evs, reply := k.state.Decide(timeUS, k.rates, cmd)
	if p := cmd.GetClosePeriod(); p != nil && reply.Error == nil && !reply.Repeated {
		if err := checkMidnight(k.state.Catalog, p); err != nil {
			return nil, &wire.Reply{TimeUs: timeUS, Error: events.Refusal(err)}
		}
	}
	return evs, reply
}

// checkMidnight refuses a period that does not end where a day begins in the time
// zone of the account's company. It is checked here and not by the fold: zones are
// files, which may differ between nodes and years.
func checkMidnight(c *catalog.State, p *wire.ClosePeriod) error {
	a := c.Account(p.GetAccount())
	if a == nil {
		return nil // refused by the decision
	}
	name := c.Company(a.Company).GetTimeZone()
	zone, err := time.LoadLocation(name)
	if err != nil {
		return events.Invalid("the time zone %q of company %s is not known here", name, a.Company).At("to")
	}
	y, m, d := events.Instant(p.ToUs).In(zone).Date()
	if begins := events.DayStart(y, m, d, zone); begins.UnixMicro() != p.ToUs {
		return events.Invalid("a period ends where a day begins in %s: %s, not %s", zone,
			begins.Format(time.RFC3339), events.Instant(p.ToUs).Format(time.RFC3339Nano)).At("to")
	}
	return nil
}
