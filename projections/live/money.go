package live

import (
	"maps"

	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// dayUS is a UTC day in microseconds.
const dayUS = 24 * 60 * minuteUS

// Money is one day's money in one currency, in micro-units.
type Money struct {
	// Calls were charged.
	Calls int64
	// ChargedMicro is what customers pay with tax, SoldMicro without.
	ChargedMicro int64
	SoldMicro    int64
	// CostMicro is what vendors get, without tax.
	CostMicro int64
	// MarginMicro is sold less cost of the calls that have one currency on both sides.
	MarginMicro int64
}

// money keeps the sums of two days, by number of the day since 1970.
type money struct {
	days map[int64]map[string]Money
}

func newMoney() money { return money{days: make(map[int64]map[string]Money)} }

// charge counts a charge on the day on which it was recorded.
func (m *money) charge(e *wire.CallCharged, recordedUS int64) {
	number := recordedUS / dayUS
	day := m.days[number]
	if day == nil {
		day = make(map[string]Money)
		m.days[number] = day
		maps.DeleteFunc(m.days, func(other int64, _ map[string]Money) bool { return other < number-1 })
	}
	call := make(map[string]Money)
	for _, line := range e.GetLines() {
		currency := rating.Currency(line.GetTerms())
		sum := call[currency]
		if line.GetSide() == wire.Side_SIDE_BUY {
			sum.CostMicro += line.GetNetMicro()
		} else {
			sum.Calls = 1
			sum.SoldMicro += line.GetNetMicro()
			sum.ChargedMicro += line.GetGrossMicro()
		}
		call[currency] = sum
	}
	for currency, sum := range call {
		if len(call) == 1 {
			sum.MarginMicro = sum.SoldMicro - sum.CostMicro
		}
		day[currency] = day[currency].plus(sum)
	}
}

func (m Money) plus(o Money) Money {
	return Money{
		Calls: m.Calls + o.Calls, ChargedMicro: m.ChargedMicro + o.ChargedMicro,
		SoldMicro: m.SoldMicro + o.SoldMicro, CostMicro: m.CostMicro + o.CostMicro,
		MarginMicro: m.MarginMicro + o.MarginMicro,
	}
}

func (m *money) of(us int64) map[string]Money { return maps.Clone(m.days[us/dayUS]) }
