package number_test

import (
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	called = wire.NumberField_NUMBER_FIELD_CALLED
	caller = wire.NumberField_NUMBER_FIELD_CALLER
	name   = wire.NumberField_NUMBER_FIELD_CALLER_NAME
)

func TestRewrite(t *testing.T) {
	rule := func(f wire.NumberField, pattern, replacement string) *wire.RewriteRule {
		return &wire.RewriteRule{Field: f, Pattern: pattern, Replacement: replacement}
	}
	last := func(r *wire.RewriteRule) *wire.RewriteRule { r.Last = true; return r }
	for _, c := range []struct {
		title    string
		rules    []*wire.RewriteRule
		in, want number.Set
	}{
		{"none", nil, number.Set{Called: "49"}, number.Set{Called: "49"}},
		{"a group and digits behind it", []*wire.RewriteRule{rule(called, "^0([1-9])(.*)$", "$149${2}")}, number.Set{Called: "0301"}, number.Set{Called: "34901"}},
		{"the whole match", []*wire.RewriteRule{rule(called, "^.+$", "+$0")}, number.Set{Called: "49"}, number.Set{Called: "+49"}},
		{"the first match only", []*wire.RewriteRule{rule(called, "1", "2")}, number.Set{Called: "111"}, number.Set{Called: "211"}},
		{"one after the other", []*wire.RewriteRule{rule(called, "^00", ""), rule(called, "^49", "44")}, number.Set{Called: "00491"}, number.Set{Called: "441"}},
		{"the last one that matches", []*wire.RewriteRule{last(rule(called, "^00", "")), rule(called, "^49", "44")}, number.Set{Called: "00491"}, number.Set{Called: "491"}},
		{"the last one does not match", []*wire.RewriteRule{last(rule(called, "^00", "")), rule(called, "^49", "44")}, number.Set{Called: "491"}, number.Set{Called: "441"}},
		{"last is of its field", []*wire.RewriteRule{last(rule(called, "^", "1")), rule(caller, "^", "2")}, number.Set{Called: "9", Caller: "9"}, number.Set{Called: "19", Caller: "29"}},
		{"a called number is never emptied", []*wire.RewriteRule{rule(called, ".*", "")}, number.Set{Called: "49"}, number.Set{Called: "49"}},
		{"a caller may be", []*wire.RewriteRule{rule(caller, ".*", ""), rule(name, ".*", "")}, number.Set{Caller: "49", CallerName: "A"}, number.Set{}},
		{"a group that took no part", []*wire.RewriteRule{rule(called, "^(00)?49", "$1x")}, number.Set{Called: "491"}, number.Set{Called: "x1"}},
		{"too long a result changes nothing", []*wire.RewriteRule{rule(name, "^", strings.Repeat("a", 64))},
			number.Set{CallerName: strings.Repeat("b", 65)}, number.Set{CallerName: strings.Repeat("b", 65)}},
	} {
		w, err := number.CompileRules(c.rules)
		if err != nil {
			t.Errorf("%s: %v", c.title, err)
			continue
		}
		if got := w.Apply(c.in); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.title, got, c.want)
		}
	}
}

func TestWrongRules(t *testing.T) {
	for _, c := range []struct {
		rule *wire.RewriteRule
		want string
	}{
		{&wire.RewriteRule{Pattern: "1"}, "field"},
		{&wire.RewriteRule{Field: called}, "1 to 100 bytes"},
		{&wire.RewriteRule{Field: called, Pattern: strings.Repeat("1", 101)}, "1 to 100 bytes"},
		{&wire.RewriteRule{Field: called, Pattern: "1", Replacement: strings.Repeat("1", 65)}, "at most 64"},
		{&wire.RewriteRule{Field: called, Pattern: "("}, "missing closing"},
		{&wire.RewriteRule{Field: called, Pattern: "(?=1)"}, "invalid"},
		{&wire.RewriteRule{Field: called, Pattern: "1{65}"}, "more than 64"},
		{&wire.RewriteRule{Field: called, Pattern: "1{3,9999999999999999999999}"}, "more than 64"},
		{&wire.RewriteRule{Field: called, Pattern: "1", Replacement: "$1"}, "no group 1"},
		{&wire.RewriteRule{Field: called, Pattern: "(1)", Replacement: "$a"}, "number of a group"},
		{&wire.RewriteRule{Field: called, Pattern: "(1)", Replacement: "${1"}, "number of a group"},
		{&wire.RewriteRule{Field: called, Pattern: "1", Replacement: "1>;evil"}, "must not have"},
		{&wire.RewriteRule{Field: called, Pattern: "1", Replacement: "1 2"}, "must not have"},
		{&wire.RewriteRule{Field: name, Pattern: "1", Replacement: "\"\r\n"}, "must not have"},
	} {
		_, err := number.CompileRules([]*wire.RewriteRule{c.rule})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "rewrites.0") {
			t.Errorf("%v: %v, want %q", c.rule, err, c.want)
		}
	}
	if _, err := number.CompileRules(make([]*wire.RewriteRule, number.MaxRules+1)); err == nil {
		t.Error("too many rules are taken")
	}
}

// FuzzRewrite: no rule that is accepted makes too long a text, an empty called
// number, or puts into a number what breaks an address.
func FuzzRewrite(f *testing.F) {
	f.Add("^0([1-9])", "49$1", "0301")
	f.Add("(a*)*$", "$0$1", "aaaa")
	f.Fuzz(func(t *testing.T, pattern, replacement, text string) {
		w, err := number.CompileRules([]*wire.RewriteRule{{Field: called, Pattern: pattern, Replacement: replacement}})
		if err != nil {
			return
		}
		got := w.Apply(number.Set{Called: text}).Called
		if got != text && (len(got) > number.MaxText || got == "") {
			t.Errorf("%q becomes %q", text, got)
		}
		if !strings.ContainsAny(text, "<>\"\r\n@; ") && strings.ContainsAny(got, "<>\"\r\n@; ") {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}

func TestList(t *testing.T) {
	l, err := number.CompileList(&wire.NumberList{Prefixes: []string{"49", "4412"}, Numbers: []string{"331"}})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[string]bool{"49": true, "4": false, "491": true, "441": false, "44123": true, "331": true, "3312": false, "": false, "anonymous": false} {
		if l.Has(n) != want {
			t.Errorf("%q on the list: %v", n, !want)
		}
	}
	for _, wrong := range []*wire.NumberList{
		{Prefixes: []string{""}}, {Prefixes: []string{"4a"}}, {Numbers: []string{"+49"}}, {Numbers: []string{""}},
		{Prefixes: make([]string, number.MaxListed+1)},
	} {
		if _, err := number.CompileList(wrong); err == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
}
