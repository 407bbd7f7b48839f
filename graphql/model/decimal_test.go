package model

import (
	"math"
	"testing"
)

func TestDecimal(t *testing.T) {
	for text, want := range map[string]Decimal{
		"12.34": {1234, 2}, "-0.000001": {-1, 6}, "0": {0, 0}, "007": {7, 0}, "9223372036854775807": {math.MaxInt64, 0},
	} {
		got, err := ParseDecimal(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-", ".", "1.", ".5", "1e3", "+1", " 1", "1,5", "0x10", "1.0000000000000", "9223372036854775808", "١"} {
		if got, err := ParseDecimal(text); err == nil {
			t.Errorf("%q was taken as %v", text, got)
		}
	}
	for d, want := range map[Decimal]string{
		{-12_340_000, 6}: "-12.340000", {5, 6}: "0.000005", {0, 2}: "0.00", {math.MinInt64, 6}: "-9223372036854.775808", {7, 0}: "7",
	} {
		if got := d.String(); got != want {
			t.Errorf("%+v = %s, want %s", d, got, want)
		}
	}
}

func TestScaled(t *testing.T) {
	if n, err := (Decimal{15, 1}).Scaled(6); err != nil || n != 1_500_000 {
		t.Errorf("1.5: %d %v", n, err)
	}
	if n, err := (Decimal{1_500_000_000, 9}).Scaled(6); err != nil || n != 1_500_000 {
		t.Errorf("1.500000000: %d %v", n, err)
	}
	if _, err := (Decimal{1, 7}).Scaled(6); err == nil {
		t.Error("a seventh place was lost")
	}
	if _, err := (Decimal{math.MaxInt64, 0}).Scaled(6); err == nil {
		t.Error("an overflow was not seen")
	}
	var d Decimal
	for _, v := range []any{1.5, 1, int64(1), nil, true} {
		if d.UnmarshalGQL(v) == nil {
			t.Errorf("%T was taken for a Decimal", v)
		}
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "-12.340000", "1.000000001", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDecimal(s)
		if err != nil {
			return
		}
		if again, err := ParseDecimal(d.String()); err != nil || again != d {
			t.Errorf("%q -> %v -> %v %v", s, d, again, err)
		}
	})
}
