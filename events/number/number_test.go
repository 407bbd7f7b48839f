package number_test

import (
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/number"
)

func TestNormalise(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{"+49(30)12-34.5", "493012345", true},
		{"0049", "0049", true},
		{strings.Repeat("1", 32), strings.Repeat("1", 32), true},
		{strings.Repeat("1", 33), "", false},
		{"", "", false},
		{"+", "", false},
		{"()", "", false},
		{"++49", "", false},
		{"49+1", "", false},
		{"alice", "", false},
		{"49 30", "", false},
		{"77#49", "", false},
		{"*21", "", false},
		{"٣", "", false},
		{"49\x00", "", false},
	} {
		if got, ok := number.Normalise(c.in); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %q, %v, want %q, %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"+49(30)12-34.5", "", "+", "alice", "4\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := number.Normalise(s)
		if !ok {
			return
		}
		if got == "" || len(got) > number.MaxDigits || strings.Trim(got, "0123456789") != "" {
			t.Fatalf("%q became %q", s, got)
		}
		if again, ok := number.Normalise(got); !ok || again != got {
			t.Fatalf("%q became %q, then %q", s, got, again)
		}
	})
}

func TestCheckPrefix(t *testing.T) {
	for in, want := range map[string]string{
		"1":                       "",
		"01234567890123456789":    "",
		"":                        "empty",
		"012345678901234567890":   "more than 20 digits",
		strings.Repeat("x", 1000): "more than 20 digits",
		"49a":                     `'a' in it`,
		"+49":                     `'+' in it`,
		"4 9":                     `' ' in it`,
	} {
		err := number.CheckPrefix(in)
		if want == "" && err != nil || want != "" && (events.CodeOf(err) != events.CodeInvalid || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.30q: %v, want %q", in, err, want)
		}
	}
}
