package model

import (
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/tollbook/tollbook/events"
)

// maxPlaces is the most fraction digits that a Decimal has: rates need nine,
// exchange rates twelve.
const maxPlaces = 12

// Decimal is an exact decimal number: Units * 10^-Places. No float is involved
// anywhere between the book and the wire.
type Decimal struct {
	// Units counts the last place.
	Units int64
	// Places is the number of fraction digits, 0 to 12.
	Places uint8
}

// Micro is a number of millionths, as amounts are kept.
func Micro(n int64) Decimal { return Decimal{Units: n, Places: 6} }

// Nano is a number of thousand-millionths, as rates are kept.
func Nano(n int64) Decimal { return Decimal{Units: n, Places: 9} }

// Pico is a number of millionths of a millionth, as exchange rates are kept.
func Pico(n int64) Decimal { return Decimal{Units: n, Places: 12} }

// Ratio is a / b with four places, rounded half up; b must be positive.
func Ratio(a, b int64) Decimal { return Decimal{Units: (a*10000 + b/2) / b, Places: 4} }

// ParseDecimal reads an optional minus, digits, and at most twelve fraction digits.
func ParseDecimal(s string) (Decimal, error) {
	refuse := events.Invalid("%.40q is not a decimal number like \"12.34\": digits, at most %d after the point, no exponent", s, maxPlaces)
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, pointed := strings.Cut(digits, ".")
	if whole == "" || pointed && fraction == "" || len(fraction) > maxPlaces || len(whole)+len(fraction) > 30 {
		return Decimal{}, refuse
	}
	var n int64
	for _, c := range []byte(whole + fraction) {
		if c < '0' || c > '9' {
			return Decimal{}, refuse
		}
		d := int64(c - '0')
		if n > (math.MaxInt64-d)/10 {
			return Decimal{}, events.Invalid("%.40q is too large", s)
		}
		n = n*10 + d
	}
	if negative {
		n = -n
	}
	return Decimal{Units: n, Places: uint8(len(fraction))}, nil
}

// Scaled is the number in units of 10^-places. It fails when digits would be
// lost or the number does not fit.
func (d Decimal) Scaled(places uint8) (int64, error) {
	n := d.Units
	for at := d.Places; at < places; at++ {
		if n > math.MaxInt64/10 || n < math.MinInt64/10 {
			return 0, events.Invalid("%s is too large", d)
		}
		n *= 10
	}
	for at := d.Places; at > places; at-- {
		if n%10 != 0 {
			return 0, events.Invalid("%s has more than %d places", d, places)
		}
		n /= 10
	}
	return n, nil
}

// String writes the number with all its places.
func (d Decimal) String() string {
	digits := strconv.FormatUint(magnitude(d.Units), 10)
	places := int(d.Places)
	if len(digits) <= places {
		digits = strings.Repeat("0", places-len(digits)+1) + digits
	}
	var b strings.Builder
	if d.Units < 0 {
		b.WriteByte('-')
	}
	b.WriteString(digits[:len(digits)-places])
	if places > 0 {
		b.WriteByte('.')
		b.WriteString(digits[len(digits)-places:])
	}
	return b.String()
}

// MarshalGQL writes the number as a JSON string.
func (d Decimal) MarshalGQL(w io.Writer) { writeQuoted(w, d.String()) }

// UnmarshalGQL reads the number from a JSON string; numbers are refused.
func (d *Decimal) UnmarshalGQL(v any) error {
	s, ok := v.(string)
	if !ok {
		return events.Invalid("a Decimal is a string such as \"12.34\", not a JSON number")
	}
	parsed, err := ParseDecimal(s)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func writeQuoted(w io.Writer, s string) {
	// The writer is the response's buffer, which does not fail.
	_, _ = io.WriteString(w, strconv.Quote(s))
}
