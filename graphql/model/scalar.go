package model

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/events"
)

// dateTimeLayout is RFC 3339 with as many of six places as are not zero.
const dateTimeLayout = "2006-01-02T15:04:05.999999Z07:00"

// MarshalDateTime writes an instant in UTC.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { writeQuoted(w, t.UTC().Format(dateTimeLayout)) })
}

// UnmarshalDateTime reads an RFC 3339 instant of any zone.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, events.Invalid("a DateTime is a string such as \"2026-01-31T12:00:00Z\"")
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, events.Invalid("%.40q is not an RFC 3339 instant such as \"2026-01-31T12:00:00Z\"", s)
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

// MarshalDate writes a day; its instant is the day's midnight in UTC.
func MarshalDate(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { writeQuoted(w, t.Format(time.DateOnly)) })
}

// UnmarshalDate reads a day.
func UnmarshalDate(v any) (time.Time, error) {
	s, _ := v.(string)
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9998 {
		return time.Time{}, events.Invalid("%.40q is not a day such as \"2026-03-29\"", s)
	}
	return t, nil
}

// MarshalDuration writes a length of time as seconds with three places.
func MarshalDuration(d time.Duration) graphql.Marshaler {
	return Decimal{Units: d.Milliseconds(), Places: 3}
}

// UnmarshalDuration reads seconds with at most three places.
func UnmarshalDuration(v any) (time.Duration, error) {
	var d Decimal
	if err := d.UnmarshalGQL(v); err != nil {
		return 0, events.Invalid("a Duration is a string of seconds: %v", err)
	}
	ms, err := d.Scaled(3)
	if err != nil {
		return 0, err
	}
	if ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
		return 0, events.Invalid("%s seconds are negative or too long", d)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// MarshalPosition writes a position as a string.
func MarshalPosition(p events.Position) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { writeQuoted(w, strconv.FormatUint(uint64(p), 10)) })
}

// UnmarshalPosition reads a position from a string.
func UnmarshalPosition(v any) (events.Position, error) {
	s, ok := v.(string)
	if !ok {
		return 0, events.Invalid("a Position is a string such as \"42\"")
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, events.Invalid("%.40q is not a position", s)
	}
	return events.Position(n), nil
}

// MarshalCurrencyCode writes a currency code.
func MarshalCurrencyCode(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalCurrencyCode reads three capital letters.
func UnmarshalCurrencyCode(v any) (string, error) {
	s, ok := v.(string)
	if !ok || len(s) != 3 {
		return "", events.Invalid("a CurrencyCode is three capital letters such as \"USD\"")
	}
	for _, c := range []byte(s) {
		if c < 'A' || c > 'Z' {
			return "", events.Invalid("a CurrencyCode is three capital letters such as \"USD\"")
		}
	}
	return s, nil
}

// MarshalInt writes a number that fits the 32 bits of GraphQL's Int; a larger
// one is cut to the largest.
func MarshalInt(n int) graphql.Marshaler {
	n = min(max(n, math.MinInt32), math.MaxInt32)
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, strconv.Itoa(n)) })
}

// UnmarshalInt reads a number of at most 32 bits.
func UnmarshalInt(v any) (int, error) {
	n, err := wholeNumber(v)
	if err != nil || n < math.MinInt32 || n > math.MaxInt32 {
		return 0, events.Invalid("an Int is a whole number of at most 32 bits")
	}
	return int(n), nil
}

func wholeNumber(v any) (int64, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case int:
		return int64(v), nil
	case json.Number:
		return v.Int64()
	}
	return 0, events.Invalid("not a number")
}
