package routing

import (
	"net/netip"
	"strings"

	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/wire"
)

// The reasons why a simulated call does not come to routing.
const (
	UnknownSource Reason = "unknown_source" // no originator sends calls from there
	BadNumber     Reason = "bad_number"     // what was dialled is no number after rewriting
)

// Question is a call that might come.
type Question struct {
	// Originator names who calls; where it is empty the Source and the number do.
	Originator string
	Source     netip.AddrPort
	// Numbers are as they come in.
	Numbers number.Set
	// Request carries the rest: the instant, quality, calls in progress. Its numbers
	// and its originator are filled in.
	Request Request
}

// Answer is what the call would do.
type Answer struct {
	// Refused says why the call would not come to routing; empty if it would.
	Refused Reason
	// Routed are the numbers that it would be routed by.
	Routed   number.Set
	Request  Request
	Decision Decision
	// Out are the numbers that each candidate would get, in their order.
	Out []number.Set
}

// Simulate answers what a call would do in this World. It decides as a call is
// decided, and changes nothing.
func (w *World) Simulate(q Question) Answer {
	a := Answer{Request: q.Request}
	dialled := strings.TrimPrefix(q.Numbers.Called, "+")
	o := w.Catalog.Originator(q.Originator)
	if q.Originator == "" {
		o, dialled = w.Identify(q.Source, "", dialled)
	} else if o != nil {
		dialled = strings.TrimPrefix(dialled, o.TechPrefix)
	}
	if o == nil {
		a.Refused = UnknownSource
		return a
	}
	a.Request.Originator = o
	if o.Disabled || w.Catalog.Company(o.Company).GetDisabled() {
		a.Refused = Disabled
		return a
	}
	a.Routed = w.RewriteIn(o.Id, number.Set{Called: dialled, Caller: q.Numbers.Caller, CallerName: q.Numbers.CallerName})
	digits, ok := w.Dialled(o, a.Routed.Called)
	if !ok {
		a.Refused = BadNumber
		return a
	}
	a.Routed.Called = digits
	a.Request.Called, a.Request.Caller = digits, CallerDigits(a.Routed.Caller)
	a.Decision = w.Route(a.Request)
	for i := range a.Decision.Candidates {
		a.Out = append(a.Out, w.RewriteOut(a.Decision.Candidates[i].Terminator.Id, a.Routed))
	}
	return a
}

// CallerDigits is what a caller is judged by: his number's digits, or what else he
// calls himself.
func CallerDigits(caller string) string {
	if digits, ok := number.Normalise(caller); ok {
		return digits
	}
	return caller
}

// Recorded gives the figures of quality that a decision was made with, so that a
// simulation of it comes to the same order.
func Recorded(d *wire.CallRouted) func(terminator, prefix string, windowS uint32) Quality {
	found := map[string][]*wire.QualityUsed{}
	for _, c := range d.GetChoices() {
		if c.Rejected == "" || len(c.Quality) > 0 {
			found[c.Terminator] = c.Quality
		}
	}
	return func(terminator, _ string, windowS uint32) Quality {
		q := Quality{}
		for range 2 { // a talk time is of the answered, who may be told after it
			for _, u := range found[terminator] {
				if u.WindowS == windowS {
					q.take(u)
				}
			}
		}
		return q
	}
}
