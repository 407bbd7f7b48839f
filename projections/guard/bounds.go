package guard

import "slices"

// sweepEvery is how often a part that is full looks for what is over.
const sweepEvery = 60 * second

// Bounds are what a view holds at most.
type Bounds struct {
	// Counters are of an account, a measure and a number or destination each, about
	// 100 to 400 bytes; Seen destinations about 100 bytes.
	Counters, Seen int
	// Open are the calls in progress, Trips those of the rules that are not over.
	Open, Trips int
}

// Usual are the bounds of a switch.
func Usual() Bounds { return Bounds{Counters: 100_000, Seen: 500_000, Open: 200_000, Trips: 10_000} }

// room tells whether a part has room for one more. A full one is swept now and then,
// and that it is full is told once, until it has room again.
func (v *View) room(part string, size, most int, nowUS int64, sweep func(), after func() int) bool {
	if size < most {
		v.full[part] = false
		return true
	}
	if last, before := v.sweptUS[part]; !before || nowUS-last >= sweepEvery {
		v.sweptUS[part] = nowUS
		sweep()
		if after() < most {
			v.full[part] = false
			return true
		}
	}
	if !v.full[part] {
		v.full[part] = true
		v.log.Error("the guard's memory is full: new ones are not counted until there is room; shorter windows and fewer rules make some",
			"part", part, "limit", most)
	}
	return false
}

// Full are the parts that have no room, by name.
func (v *View) Full() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := []string{}
	for part, full := range v.full {
		if full {
			out = append(out, part)
		}
	}
	slices.Sort(out)
	return out
}
