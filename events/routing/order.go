package routing

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// ordering sorts the candidates of one call by a plan's criteria.
type ordering struct {
	list     []Candidate
	at       []int   // the order: places in list
	keys     []int64 // list's figures, criterion by criterion; less is better
	criteria []*wire.OrderBy
	draw     uint64
}

// order sorts candidates by the plan's criteria, at last by the routes' ids.
func (p *plan) order(list []Candidate, r Request) {
	if len(list) == 0 {
		return
	}
	o := ordering{
		list: list, at: make([]int, len(list)), keys: make([]int64, len(list)*len(p.criteria)),
		criteria: p.criteria, draw: seed(r.Call),
	}
	for i := range o.at {
		o.at[i] = i
	}
	for level := range p.criteria {
		o.figure(level, r)
	}
	o.sort(o.at, 0)
	o.settle()
}

// settle moves the candidates to their places, one ring of moves after the other.
func (o *ordering) settle() {
	for start := range o.at {
		if o.at[start] == start {
			continue
		}
		first, to := o.list[start], start
		for o.at[to] != start {
			from := o.at[to]
			o.list[to], o.at[to] = o.list[from], to
			to = from
		}
		o.list[to], o.at[to] = first, to
	}
}

// figure fills in the keys of one criterion.
func (o *ordering) figure(level int, r Request) {
	by := o.criteria[level]
	keys := o.keys[level*len(o.list):][:len(o.list)]
	switch by.Criterion {
	case wire.Criterion_CRITERION_PRIORITY:
		for i := range o.list {
			keys[i] = rounded(int64(o.list[i].Route.Priority), by.Step)
		}
	case wire.Criterion_CRITERION_PRICE:
		for i := range o.list {
			keys[i] = rounded(o.list[i].costNano, by.Step)
		}
	case wire.Criterion_CRITERION_QUALITY:
		o.quality(by, keys, r)
	}
}

// quality fills in keys of quality. Who has too few calls to tell counts as good
// as the best, so that a new vendor comes to be measured.
func (o *ordering) quality(by *wire.OrderBy, keys []int64, r Request) {
	best := int64(math.MaxInt64)
	for i := range o.list {
		c := &o.list[i]
		var q Quality
		if r.Quality != nil {
			q = r.Quality(c.Terminator.Id, c.Buy.GetPrefix(), by.WindowS)
		}
		used := q.Used(by)
		c.Quality = append(c.Quality, used)
		if !used.Known {
			continue
		}
		keys[i] = rounded(int64(used.Value), by.Step)
		if by.Figure != wire.QualityFigure_QUALITY_FIGURE_PDD {
			keys[i] = -keys[i]
		}
		best = min(best, keys[i])
	}
	for i := range o.list {
		if !o.list[i].Quality[len(o.list[i].Quality)-1].Known {
			keys[i] = best
		}
	}
}

// rounded is a figure in whole steps, to the nearest one.
func rounded(n int64, step uint64) int64 {
	if step == 0 {
		return n
	}
	s := int64(step)
	return (n + s/2) / s
}

// sort orders places by the criteria from a level on.
func (o *ordering) sort(at []int, level int) {
	if len(at) < 2 {
		return
	}
	if level == len(o.criteria) {
		slices.SortFunc(at, func(a, b int) int { return cmp.Compare(o.list[a].Route.Id, o.list[b].Route.Id) })
		return
	}
	if o.criteria[level].Criterion == wire.Criterion_CRITERION_WEIGHT {
		o.sort(o.drawn(at), level+1)
		return
	}
	keys := o.keys[level*len(o.list):]
	slices.SortFunc(at, func(a, b int) int { return cmp.Compare(keys[a], keys[b]) })
	for from := 0; from < len(at); {
		to := from + 1
		for to < len(at) && keys[at[to]] == keys[at[from]] {
			to++
		}
		o.sort(at[from:to], level+1)
		from = to
	}
}

// drawn puts those with a weight first, each place drawn by the weights of who is
// left, and gives the places of those without one.
func (o *ordering) drawn(at []int) []int {
	// The draw must not depend on how the places were sorted before.
	slices.SortFunc(at, func(a, b int) int { return cmp.Compare(o.list[a].Route.Id, o.list[b].Route.Id) })
	total := uint64(0)
	for _, i := range at {
		total += uint64(o.list[i].Route.Weight)
	}
	for n := range at {
		if total == 0 {
			return at[n:]
		}
		left := o.next() % total
		chosen := n
		for w := uint64(o.list[at[chosen]].Route.Weight); left >= w; w = uint64(o.list[at[chosen]].Route.Weight) {
			left -= w
			chosen++
		}
		total -= uint64(o.list[at[chosen]].Route.Weight)
		who := at[chosen]
		copy(at[n+1:chosen+1], at[n:chosen]) // the others keep their order
		at[n] = who
	}
	return nil
}

// seed begins the draws of a call: the same ones every time.
func seed(id events.CallID) uint64 {
	return binary.BigEndian.Uint64(id[:8])*0x9e3779b97f4a7c15 ^ binary.BigEndian.Uint64(id[8:])
}

// next is splitmix64.
func (o *ordering) next() uint64 {
	o.draw += 0x9e3779b97f4a7c15
	z := o.draw
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
