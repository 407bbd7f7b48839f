package rating

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/number"
)

// maxCodes bounds the prefixes of one cell.
const maxCodes = 10_000

// listed are the prefixes that a line gives: a country code, and a list of what may
// follow it, with spans of codes of the same length: "1-5,7", "151-159;17". An
// empty list is the country code itself.
func listed(country, codes string) ([]string, error) {
	if country == "" && !strings.ContainsAny(codes, ",;-") {
		codes = strings.TrimPrefix(codes, "+")
		return []string{codes}, number.CheckPrefix(codes)
	}
	country = strings.TrimPrefix(country, "+")
	if country != "" {
		if err := number.CheckPrefix(country); err != nil {
			return nil, err
		}
	}
	var out []string
	for part := range strings.FieldsFuncSeq(codes, func(r rune) bool { return r == ',' || r == ';' }) {
		from, to, span := strings.Cut(part, "-")
		from, to = strings.TrimSpace(from), strings.TrimSpace(to)
		if country == "" {
			from, to = strings.TrimPrefix(from, "+"), strings.TrimPrefix(to, "+")
		}
		if !span {
			to = from
		}
		list, err := codesBetween(from, to)
		if err != nil {
			return nil, err
		}
		if len(out)+len(list) > maxCodes {
			return nil, events.Invalid("the list stands for more than %d prefixes", maxCodes)
		}
		for _, c := range list {
			out = append(out, country+c)
		}
	}
	if len(out) == 0 {
		out = []string{country}
	}
	slices.Sort(out)
	for i, p := range out {
		if err := number.CheckPrefix(p); err != nil {
			return nil, err
		}
		if i > 0 && out[i-1] == p {
			return nil, events.Invalid("the list gives the prefix %s twice", p)
		}
	}
	return out, nil
}

// codesBetween are the codes from one to another of the same length.
func codesBetween(from, to string) ([]string, error) {
	if from == to {
		return []string{strings.Clone(from)}, nil
	}
	a, err1 := strconv.ParseUint(from, 10, 64)
	b, err2 := strconv.ParseUint(to, 10, 64)
	switch {
	case err1 != nil || err2 != nil || len(from) != len(to) || a > b:
		return nil, events.Invalid("%q is not a span of codes of the same length, such as 151-159", clip(from+"-"+to))
	case b-a >= maxCodes:
		return nil, events.Invalid("the span %s-%s stands for more than %d prefixes", from, to, maxCodes)
	}
	out := make([]string, 0, b-a+1)
	for n := a; n <= b; n++ {
		digits := strconv.FormatUint(n, 10)
		out = append(out, strings.Repeat("0", len(from)-len(digits))+digits)
	}
	return out, nil
}

const (
	// maxTyped bounds the text of a number in a typed cell.
	maxTyped = 40
	// typedDigits is how many digits of a number a spreadsheet keeps and shows.
	typedDigits = 15
)

// untyped is what a person typed into a cell whose number is kept as a binary
// fraction: 0.012 may stand in the file as 1.2E-2 or 0.012000000000000001.
func untyped(col, value string) string {
	switch col {
	case "prefix", "country_code", "price_first", "price_next", "connect_fee", "attempt_fee", "minimum",
		"interval_first", "interval_next", "free_seconds", "min_length", "max_length":
	default:
		return value
	}
	mantissa, exponent, scientific := strings.Cut(strings.ToUpper(value), "E")
	digits := strings.TrimLeft(strings.ReplaceAll(strings.TrimPrefix(mantissa, "-"), ".", ""), "0")
	if len(value) > maxTyped || len(exponent) > 4 || !scientific && (len(digits) <= typedDigits || !strings.Contains(mantissa, ".")) {
		return value
	}
	r, ok := new(big.Rat).SetString(value)
	if !ok || strings.Contains(value, "/") {
		return value
	}
	if r.IsInt() {
		return r.Num().String()
	}
	places := typedDigits
	for one := new(big.Rat).Abs(r); one.Cmp(big.NewRat(1, 10)) < 0 && places < 2*typedDigits; places++ {
		one.Mul(one, big.NewRat(10, 1))
	}
	for one := new(big.Rat).Abs(r); one.Cmp(big.NewRat(1, 1)) >= 0 && places > 0; places-- {
		one.Quo(one, big.NewRat(10, 1))
	}
	text := r.FloatString(places)
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// serial reads a date as spreadsheets keep it: days since 30 December 1899.
func serial(value string) (int64, bool) {
	if len(value) > maxTyped || strings.ContainsAny(value, "/eEpPxX_") {
		return 0, false
	}
	days, ok := new(big.Rat).SetString(value)
	if !ok || days.Cmp(big.NewRat(1, 1)) < 0 || days.Cmp(big.NewRat(2_958_466, 1)) >= 0 { // the year 10000
		return 0, false
	}
	const day = 24 * 3600
	seconds := days.Mul(days, big.NewRat(day, 1))
	whole, _ := strconv.ParseInt(seconds.FloatString(0), 10, 64)
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).Unix()
	return (epoch + whole) * 1_000_000, true
}
