// Package office is work that watches the views and tells people: so far, which
// accounts will soon be empty.
package office

import (
	"time"

	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// tellAgain is how long the same account is not told again while it stays low.
const tellAgain = time.Hour

// Forecast remembers which accounts were told. It belongs to one goroutine.
type Forecast struct{ told map[string]time.Time }

// NewForecast has told nobody yet.
func NewForecast() *Forecast { return &Forecast{told: map[string]time.Time{}} }

// Look gives the forecasts to tell now: of accounts whose money lasts less than
// the minutes that their alerts ask for. An account is told once, again after an
// hour, or after its money had lasted for twice the minutes or its calls had ended.
func (f *Forecast) Look(now time.Time, paces []ledger.Pace) []*wire.BalanceForecast {
	low := map[string]bool{}
	var out []*wire.BalanceForecast
	for _, p := range paces {
		minutes, ends := p.Minutes()
		if !ends || p.Threshold == 0 || minutes >= 2*int64(p.Threshold) {
			continue
		}
		low[p.Account] = true
		last, told := f.told[p.Account]
		if minutes >= int64(p.Threshold) || told && now.Sub(last) < tellAgain {
			continue
		}
		f.told[p.Account] = now
		out = append(out, &wire.BalanceForecast{
			Account: p.Account, Currency: p.Currency, AvailableMicro: int64(p.Left), BurnMicro: int64(p.Burn),
			Minutes: uint32(minutes), Calls: uint32(p.Calls), ThresholdMinutes: p.Threshold,
		})
	}
	for account := range f.told {
		if !low[account] {
			delete(f.told, account)
		}
	}
	return out
}
