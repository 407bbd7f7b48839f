// Package number is about telephone numbers as the routing sees them: digits.
package number

import "github.com/tollbook/tollbook/events"

// MaxDigits bounds a dialled number: E.164's fifteen and room for tech prefixes.
const MaxDigits = 32

// MaxPrefix bounds the prefixes of decks and routes.
const MaxPrefix = 20

// Normalise takes the visual separators and a leading + off a dialled number
// (RFC 3966, section 5.1.1). It reports whether digits are left and nothing else.
func Normalise(s string) (string, bool) {
	if len(s) > 0 && s[0] == '+' {
		s = s[1:]
	}
	digits := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case c == '-' || c == '.' || c == '(' || c == ')':
		default:
			return "", false
		}
		if len(digits) > MaxDigits {
			return "", false
		}
	}
	return string(digits), len(digits) > 0
}

// CheckPrefix refuses a prefix that is not made of 1 to MaxPrefix digits.
func CheckPrefix(s string) error {
	if s == "" {
		return events.Invalid("the prefix is empty")
	}
	if len(s) > MaxPrefix {
		return events.Invalid("prefix %q has more than %d digits", s[:MaxPrefix]+"…", MaxPrefix)
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return events.Invalid("prefix %q has %q in it: a prefix is made of digits", s, s[i])
		}
	}
	return nil
}
