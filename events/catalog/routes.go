package catalog

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	maxLists          = 16
	maxPrefixLimits   = 32
	maxOrder          = 6
	maxHuntRules      = 64
	maxHours          = 42
	maxCallerPrefixes = 200
	maxZone           = 64
	weekMinutes       = 7 * 24 * 60
)

func validateList(l *wire.NumberList) error {
	if _, err := number.CompileList(l); err != nil {
		return err
	}
	return checkName(l.Name)
}

// validateSieve checks what a peer does to numbers.
func validateSieve(rules []*wire.RewriteRule, lists []*wire.ListUse) error {
	if _, err := number.CompileRules(rules); err != nil {
		return err
	}
	if len(lists) > maxLists {
		return events.Invalid("at most %d number lists are allowed", maxLists)
	}
	for i, u := range lists {
		if u.List == "" {
			return events.Invalid("lists.%d: the list is missing", i)
		}
		if u.Field != wire.NumberField_NUMBER_FIELD_CALLED && u.Field != wire.NumberField_NUMBER_FIELD_CALLER {
			return events.Invalid("lists.%d: the field must be called or caller", i)
		}
	}
	return nil
}

func validatePrefixLimits(limits []*wire.PrefixLimit) error {
	if len(limits) > maxPrefixLimits {
		return events.Invalid("at most %d prefix limits are allowed", maxPrefixLimits)
	}
	seen := map[string]bool{}
	for i, l := range limits {
		if err := number.CheckPrefix(l.Prefix); err != nil {
			return events.Invalid("prefix_limits.%d: %v", i, err)
		}
		if seen[l.Prefix] {
			return events.Invalid("prefix_limits.%d: prefix %s is limited twice", i, l.Prefix)
		}
		seen[l.Prefix] = true
	}
	return nil
}

func validatePlan(p *wire.RoutePlan) error {
	if len(p.Order) > maxOrder {
		return events.Invalid("at most %d criteria are allowed", maxOrder)
	}
	for i, o := range p.Order {
		if err := validateOrder(o); err != nil {
			return events.Invalid("order.%d: %v", i, err)
		}
	}
	if len(p.HuntRules) > maxHuntRules {
		return events.Invalid("at most %d hunt rules are allowed", maxHuntRules)
	}
	for i, r := range p.HuntRules {
		if r.SipCode != 0 && (r.SipCode < 300 || r.SipCode > 699) {
			return events.Invalid("hunt_rules.%d: %d is not the code of a refused call: those are 300 to 699", i, r.SipCode)
		}
		if r.Q850 > 127 {
			return events.Invalid("hunt_rules.%d: %d is not a cause of Q.850: those are 1 to 127", i, r.Q850)
		}
	}
	return checkName(p.Name)
}

func validateOrder(o *wire.OrderBy) error {
	if o.Criterion < wire.Criterion_CRITERION_PRIORITY || o.Criterion > wire.Criterion_CRITERION_QUALITY {
		return events.Invalid("the criterion is missing: priority, price, weight or quality")
	}
	if o.Step > 1_000_000_000_000 {
		return events.Invalid("the step is too large")
	}
	if o.Criterion != wire.Criterion_CRITERION_QUALITY {
		return nil
	}
	if o.Figure < wire.QualityFigure_QUALITY_FIGURE_ASR || o.Figure > wire.QualityFigure_QUALITY_FIGURE_PDD {
		return events.Invalid("the figure is missing: asr, ner, acd or pdd")
	}
	if o.WindowS != 900 && o.WindowS != 3600 && o.WindowS != 86400 {
		return events.Invalid("a window of %d s is not one of 900, 3600 and 86400", o.WindowS)
	}
	return nil
}

func validateRoute(r *wire.Route) error {
	if r.Plan == "" || r.Terminator == "" {
		return events.Invalid("route plan and terminator are needed")
	}
	if len(r.CallerPrefixes) > maxCallerPrefixes || len(r.TimeZone) > maxZone {
		return events.Invalid("at most %d caller prefixes are allowed", maxCallerPrefixes)
	}
	for i, p := range r.CallerPrefixes {
		if err := number.CheckPrefix(p); err != nil {
			return events.Invalid("caller_prefixes.%d: %v", i, err)
		}
	}
	if err := checkHours(r.Hours); err != nil {
		return err
	}
	if r.PddTimeoutMs > 180_000 || r.RingTimeoutMs > 600_000 {
		return events.Invalid("a PDD timeout may have 180 s, a ring timeout 600 s at most")
	}
	return number.CheckPrefix(r.Prefix)
}

// PrefixLimit finds an originator's limit for exactly a prefix, nil if it has none.
func PrefixLimit(o *wire.Originator, prefix string) *wire.PrefixLimit {
	for _, l := range o.GetPrefixLimits() {
		if l.Prefix == prefix {
			return l
		}
	}
	return nil
}
