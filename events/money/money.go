// Package money is exact arithmetic on amounts and rates. An amount is a whole
// number of micro-units of its currency, a rate a whole number of nano-units a
// minute; products keep 128 bits and are rounded once. There are no floats.
package money

import (
	"math"
	"strings"

	"github.com/tollbook/tollbook/events"
)

// Amount is money in micro-units: 1000000 is one dollar, or one euro.
type Amount int64

// Rate is a price in nano-units a minute: 12000000 is 0.012 a minute.
type Rate int64

// Currency is an ISO 4217 code: three capital letters.
type Currency string

// Seconds is the currency of packages: talk time, kept in micro-seconds as money is
// in micro-units. ISO 4217 has no such code, and nothing exchanges it into money.
const Seconds Currency = "SEC"

// Units of amounts and rates.
const (
	MicroPerUnit = 1_000_000
	NanoPerUnit  = 1_000_000_000
	// MaxAmount bounds what a single posting or balance may be, a thousandth of
	// what an int64 holds, so that a sum of a thousand cannot overflow.
	MaxAmount = Amount(math.MaxInt64 / 1000)
	// MaxRate bounds a price: 9000 units a minute.
	MaxRate = Rate(9_000 * NanoPerUnit)
)

const (
	amountDecimals = 6
	rateDecimals   = 9
)

// ParseCurrency reads a currency code.
func ParseCurrency(s string) (Currency, error) {
	if len(s) != 3 {
		return "", events.Invalid("currency %q is not a code of three capital letters", s)
	}
	for i := range 3 {
		if s[i] < 'A' || s[i] > 'Z' {
			return "", events.Invalid("currency %q is not a code of three capital letters", s)
		}
	}
	return Currency(s), nil
}

// ParseAmount reads a decimal number with at most six places: "-12.34".
func ParseAmount(s string) (Amount, error) {
	n, err := ParseDecimal(s, amountDecimals)
	if err != nil {
		return 0, err
	}
	if n > int64(MaxAmount) || n < -int64(MaxAmount) {
		return 0, events.Invalid("amount %s is too large", clip(s))
	}
	return Amount(n), nil
}

// ParseRate reads a price a minute: a decimal number with at most nine places.
func ParseRate(s string) (Rate, error) {
	n, err := ParseDecimal(s, rateDecimals)
	if err != nil {
		return 0, err
	}
	if n > int64(MaxRate) || n < -int64(MaxRate) {
		return 0, events.Invalid("rate %s is too large", clip(s))
	}
	return Rate(n), nil
}

// String writes the amount with its six places: "-12.340000".
func (a Amount) String() string { return FormatDecimal(int64(a), amountDecimals) }

// String writes the rate with its nine places: "0.012000000".
func (r Rate) String() string { return FormatDecimal(int64(r), rateDecimals) }

// Short writes the rate without trailing zeros, but with at least two places.
func (r Rate) Short() string {
	s := strings.TrimRight(r.String(), "0")
	dot := strings.IndexByte(s, '.')
	for len(s)-dot <= 2 {
		s += "0"
	}
	return s
}

// Add is a + b, or an error if the sum leaves the bounds of money.
func Add(a, b Amount) (Amount, error) {
	sum := a + b // both are below MaxAmount, so this cannot wrap
	if sum > MaxAmount || sum < -MaxAmount {
		return 0, events.Invalid("the sum of %s and %s is too large", a, b)
	}
	return sum, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// ParseDecimal reads digits with an optional sign and fraction, scaled by
// 10^places. More places than that are refused rather than rounded.
func ParseDecimal(s string, places int) (int64, error) {
	bad := func() (int64, error) {
		return 0, events.Invalid("%q is not a decimal number such as 12.34", clip(s))
	}
	digits, negative := s, false
	if strings.HasPrefix(digits, "-") {
		digits, negative = digits[1:], true
	}
	whole, fraction, dotted := strings.Cut(digits, ".")
	if whole == "" || dotted && fraction == "" {
		return bad()
	}
	if len(fraction) > places {
		if strings.Trim(fraction[places:], "0") != "" {
			return 0, events.Invalid("%q has more than %d decimal places", clip(s), places)
		}
		fraction = fraction[:places]
	}
	fraction += strings.Repeat("0", places-len(fraction))
	var n int64
	for _, c := range []byte(whole + fraction) {
		if c < '0' || c > '9' {
			return bad()
		}
		d := int64(c - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, events.Invalid("%q is too large", clip(s))
		}
		n = n*10 + d
	}
	if negative {
		n = -n
	}
	return n, nil
}

// FormatDecimal writes a number that is scaled by 10^places.
func FormatDecimal(n int64, places int) string {
	sign := ""
	u := uint64(n)
	if n < 0 {
		sign, u = "-", -u
	}
	digits := make([]byte, 0, 24)
	for u > 0 || len(digits) <= places {
		digits = append(digits, byte('0'+u%10))
		u /= 10
	}
	out := make([]byte, 0, len(digits)+2)
	out = append(out, sign...)
	for i := len(digits) - 1; i >= 0; i-- {
		out = append(out, digits[i])
		if i == places {
			out = append(out, '.')
		}
	}
	return string(out)
}
