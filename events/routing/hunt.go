package routing

import (
	"slices"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/wire"
)

// Hunt says after which answers of a vendor no other one is tried.
type Hunt struct {
	rules []*wire.HuntRule
	codes []uint32 // the settings'
	usual map[uint32]bool
}

// Hunt is that of an originator's plan.
func (w *World) Hunt(o *wire.Originator) Hunt {
	h := Hunt{codes: w.Catalog.Settings().HuntStopCodes}
	if p := w.plans[o.RoutePlan]; p != nil {
		h.rules = p.HuntRules
	}
	if len(h.codes) == 0 {
		h.usual = call.DefaultStop()
	}
	return h
}

// Stops decides by a vendor's SIP code and his cause of Q.850, 0 if he gave none.
// The plan's first rule that fits decides, without one the settings' codes, and
// without those the usual ones.
func (h Hunt) Stops(code, q850 uint32) bool {
	for _, r := range h.rules {
		if (r.SipCode == 0 || r.SipCode == code) && (r.Q850 == 0 || r.Q850 == q850) {
			return r.Stop
		}
	}
	return h.usual[code] || slices.Contains(h.codes, code)
}
