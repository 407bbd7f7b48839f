package number

import (
	"regexp"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// The limits of rewrite rules: they run for every call.
const (
	// MaxRules bounds the rules of one peer.
	MaxRules = 50
	// MaxPattern and MaxReplacement bound a rule's texts, in bytes.
	MaxPattern     = 100
	MaxReplacement = 64
	// MaxText bounds what a rule reads and makes, in bytes.
	MaxText = 128
	// maxRepeat bounds a counted repetition such as {3,64}.
	maxRepeat = 64
)

// Set are the numbers of one INVITE as people write them.
type Set struct {
	Called, Caller, CallerName string
}

// Rewriter applies compiled rules. Nil has none. It may be used from any goroutine.
type Rewriter struct{ rules []rule }

type rule struct {
	field   wire.NumberField
	pattern *regexp.Regexp
	parts   []part
	last    bool
}

// part is a piece of a replacement: text, or the number of a group.
type part struct {
	text  string
	group int // -1 for text
}

// CompileRules makes a Rewriter, or says which rule is wrong.
func CompileRules(rules []*wire.RewriteRule) (*Rewriter, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	if len(rules) > MaxRules {
		return nil, events.Invalid("at most %d rewrite rules are allowed", MaxRules)
	}
	w := &Rewriter{}
	for i, r := range rules {
		c, err := compileRule(r)
		if err != nil {
			return nil, events.Invalid("rewrites.%d: %v", i, err)
		}
		w.rules = append(w.rules, c)
	}
	return w, nil
}

func compileRule(r *wire.RewriteRule) (rule, error) {
	var none rule
	switch {
	case r.Field < wire.NumberField_NUMBER_FIELD_CALLED || r.Field > wire.NumberField_NUMBER_FIELD_CALLER_NAME:
		return none, events.Invalid("the field is missing: called, caller or caller name")
	case r.Pattern == "" || len(r.Pattern) > MaxPattern:
		return none, events.Invalid("a pattern has 1 to %d bytes", MaxPattern)
	case len(r.Replacement) > MaxReplacement:
		return none, events.Invalid("a replacement has at most %d bytes", MaxReplacement)
	case countsAbove(r.Pattern, maxRepeat):
		return none, events.Invalid("pattern %q repeats more than %d times", r.Pattern, maxRepeat)
	}
	p, err := regexp.Compile(r.Pattern)
	if err != nil {
		return none, events.Invalid("pattern %q: %v", r.Pattern, err)
	}
	parts, err := parseReplacement(r.Replacement, p.NumSubexp())
	if err != nil {
		return none, err
	}
	for _, piece := range parts {
		if !speakable(piece.text, r.Field) {
			return none, events.Invalid("replacement %q has characters that a number must not have", r.Replacement)
		}
	}
	return rule{field: r.Field, pattern: p, parts: parts, last: r.Last}, nil
}

// countsAbove finds a repetition {n} or {n,m} with a number above most.
func countsAbove(pattern string, most int) bool {
	n, counting := 0, false
	for i := range len(pattern) {
		switch c := pattern[i]; {
		case c == '{':
			n, counting = 0, true
		case counting && c >= '0' && c <= '9':
			if n = n*10 + int(c-'0'); n > most {
				return true
			}
		case counting && c == ',':
			n = 0
		default:
			counting = false
		}
	}
	return false
}

// parseReplacement reads text with $0 to $9, or ${0} to ${9}.
func parseReplacement(s string, groups int) ([]part, error) {
	var out []part
	for s != "" {
		at := strings.IndexByte(s, '$')
		if at != 0 {
			if at < 0 {
				at = len(s)
			}
			out = append(out, part{text: s[:at], group: -1})
			s = s[at:]
			continue
		}
		name := strings.TrimPrefix(s, "$")
		braced := strings.HasPrefix(name, "{")
		name = strings.TrimPrefix(name, "{")
		if name == "" || name[0] < '0' || name[0] > '9' || braced && !strings.HasPrefix(name[1:], "}") {
			return nil, events.Invalid("replacement: after $ stands the number of a group, 0 to 9")
		}
		g := int(name[0] - '0')
		if g > groups {
			return nil, events.Invalid("replacement: the pattern has no group %d", g)
		}
		out = append(out, part{group: g})
		s = name[1:]
		if braced {
			s = s[1:]
		}
	}
	return out, nil
}

// speakable tells whether a text may stand in a number, or in a name: nothing of
// it may break a SIP address or a quoted name.
func speakable(s string, f wire.NumberField) bool {
	for i := range len(s) {
		c := s[i]
		digit := c >= '0' && c <= '9' || c == '+' || c == '*' || c == '#' || c == '-' || c == '_' || c == '.'
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		free := f == wire.NumberField_NUMBER_FIELD_CALLER_NAME && c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != 0x7f
		if !digit && !letter && !free {
			return false
		}
	}
	return true
}

// Apply runs the rules, in order. A rule that would empty the called number, or
// make a text longer than MaxText, changes nothing.
func (w *Rewriter) Apply(s Set) Set {
	if w == nil {
		return s
	}
	var done [4]bool
	for i := range w.rules {
		r := &w.rules[i]
		if done[r.field] {
			continue
		}
		text := s.field(r.field)
		after, ok := r.apply(*text)
		if !ok {
			continue
		}
		if after != "" || r.field != wire.NumberField_NUMBER_FIELD_CALLED {
			*text = after
		}
		done[r.field] = r.last
	}
	return s
}

func (s *Set) field(f wire.NumberField) *string {
	switch f {
	case wire.NumberField_NUMBER_FIELD_CALLED:
		return &s.Called
	case wire.NumberField_NUMBER_FIELD_CALLER:
		return &s.Caller
	default:
		return &s.CallerName
	}
}

// apply replaces the first match.
func (r *rule) apply(s string) (string, bool) {
	if len(s) > MaxText {
		return s, false
	}
	at := r.pattern.FindStringSubmatchIndex(s)
	if at == nil {
		return s, false
	}
	var b strings.Builder
	b.WriteString(s[:at[0]])
	for _, p := range r.parts {
		if p.group < 0 {
			b.WriteString(p.text)
		} else if from, to := at[2*p.group], at[2*p.group+1]; from >= 0 {
			b.WriteString(s[from:to])
		}
	}
	b.WriteString(s[at[1]:])
	if b.Len() > MaxText {
		return s, false
	}
	return b.String(), true
}
