// Package challenge answers digest challenges to requests that we send (RFC 3261,
// section 22; RFC 7616; RFC 8760).
package challenge

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// strength orders the algorithms that we answer; others are passed over.
var strength = map[string]int{"": 1, "MD5": 1, "SHA-256": 2, "SHA-512-256": 3}

// headers are a challenge's and its answer's names, by the code that carries it.
var headers = map[int][2]string{
	sip.StatusUnauthorized:      {"WWW-Authenticate", "Authorization"},
	sip.StatusProxyAuthRequired: {"Proxy-Authenticate", "Proxy-Authorization"},
}

// ErrNone says that a response holds no challenge that we can answer.
var ErrNone = errors.New("no digest challenge that can be answered")

// Is tells whether a response asks who we are.
func Is(res *sip.Response) bool {
	_, ok := headers[res.StatusCode]
	return ok
}

// Stale tells whether all that was wrong with the last answer is that its nonce had
// grown old: then the same password is right (RFC 7616, section 3.3).
func Stale(res *sip.Response) bool {
	for _, h := range res.GetHeaders(headers[res.StatusCode][0]) {
		if c, err := digest.ParseChallenge(h.Value()); err == nil && c.Stale {
			return true
		}
	}
	return false
}

// Answer makes a request ready to be sent again with the answer to the strongest of
// a response's challenges: with the next CSeq, and without the Via of its first
// sending.
func Answer(req *sip.Request, res *sip.Response, user, password string) error {
	names, ok := headers[res.StatusCode]
	if !ok {
		return ErrNone
	}
	best, found := strongest(res.GetHeaders(names[0]))
	if !found {
		return ErrNone
	}
	cred, err := digest.Digest(best, digest.Options{
		Method: req.Method.String(), URI: req.Recipient.String(), Username: user, Password: password, Count: 1,
	})
	if err != nil {
		return fmt.Errorf("answer a challenge: %w", err)
	}
	req.RemoveHeader(names[1])
	req.AppendHeader(sip.NewHeader(names[1], cred.String()))
	req.CSeq().SeqNo++
	req.RemoveHeader("Via")
	return nil
}

func strongest(list []sip.Header) (*digest.Challenge, bool) {
	var best *digest.Challenge
	most := 0
	for _, h := range list {
		c, err := digest.ParseChallenge(h.Value())
		if err != nil {
			continue
		}
		c.Algorithm = strings.ToUpper(c.Algorithm)
		if s := strength[c.Algorithm]; s > most && digest.CanDigest(c) {
			best, most = c, s
		}
	}
	return best, best != nil
}
