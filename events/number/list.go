package number

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// MaxListed bounds the entries of one list, so that it fits an event.
const MaxListed = 2500

// List is a compiled number list. It may be used from any goroutine.
type List struct {
	prefixes map[string]struct{}
	numbers  map[string]struct{}
	longest  int
}

// CompileList makes a List, or says which entry is wrong.
func CompileList(l *wire.NumberList) (*List, error) {
	if n := len(l.Prefixes) + len(l.Numbers); n > MaxListed {
		return nil, events.Invalid("a list has at most %d entries, not %d", MaxListed, n)
	}
	out := &List{prefixes: map[string]struct{}{}, numbers: map[string]struct{}{}}
	for i, p := range l.Prefixes {
		if err := CheckPrefix(p); err != nil {
			return nil, events.Invalid("prefixes.%d: %v", i, err)
		}
		out.prefixes[p] = struct{}{}
		out.longest = max(out.longest, len(p))
	}
	for i, n := range l.Numbers {
		if digits, ok := Normalise(n); !ok || digits != n {
			return nil, events.Invalid("numbers.%d: %.40q is not made of 1 to %d digits", i, n, MaxDigits)
		}
		out.numbers[n] = struct{}{}
	}
	return out, nil
}

// Has tells whether a number is on the list, by itself or by a prefix.
func (l *List) Has(digits string) bool {
	if _, ok := l.numbers[digits]; ok {
		return true
	}
	for n := 1; n <= min(l.longest, len(digits)); n++ {
		if _, ok := l.prefixes[digits[:n]]; ok {
			return true
		}
	}
	return false
}
