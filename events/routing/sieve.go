package routing

import (
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/wire"
)

// sieve is what a peer does to numbers: it rewrites them, and lets some not pass.
type sieve struct {
	rewriter *number.Rewriter
	lists    []listUse
	allows   [4]bool // fields that have a list of allowed numbers
}

type listUse struct {
	list  *number.List
	field wire.NumberField
	allow bool
}

func (w *World) sieve(rules []*wire.RewriteRule, uses []*wire.ListUse) *sieve {
	s := &sieve{}
	s.rewriter, _ = number.CompileRules(rules) // the catalog accepts no wrong ones
	for _, u := range uses {
		if l := w.lists[u.List]; l != nil && int(u.Field) < len(s.allows) {
			s.lists = append(s.lists, listUse{l, u.Field, u.Allow})
			s.allows[u.Field] = s.allows[u.Field] || u.Allow
		}
	}
	return s
}

// refuses tells whether a blocking list has one of the numbers, or no allowing
// list has it where there are any.
func (s *sieve) refuses(called, caller string) bool {
	if s == nil || len(s.lists) == 0 {
		return false
	}
	missing := s.allows
	for _, u := range s.lists {
		n := called
		if u.field == wire.NumberField_NUMBER_FIELD_CALLER {
			n = caller
		}
		switch {
		case !u.list.Has(n):
		case u.allow:
			missing[u.field] = false
		default:
			return true
		}
	}
	return missing != [4]bool{}
}

// RewriteIn is what an originator's numbers become before they are routed.
func (w *World) RewriteIn(originator string, n number.Set) number.Set {
	if s := w.origins[originator]; s != nil {
		return s.rewriter.Apply(n)
	}
	return n
}

// RewriteOut is what the numbers become that a terminator gets, tech prefix and all.
func (w *World) RewriteOut(terminator string, n number.Set) number.Set {
	v := w.vendors[terminator]
	if v == nil {
		return n
	}
	n = v.rewriter.Apply(n)
	n.Called = v.TechPrefix + n.Called
	return n
}
