package digest

import (
	"container/list"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

const (
	// NonceFor is how long a nonce is good.
	NonceFor = 5 * time.Minute
	// MaxUsed bounds the nonces whose use is remembered.
	MaxUsed = 100_000

	drawn   = 8                  // random bytes in a nonce
	stamped = 8 + drawn          // and its time before them
	sealed  = stamped + 16       // and a MAC behind
	ahead   = int64(time.Second) // how far clocks may be apart
)

// Verdict is what a nonce is worth.
type Verdict uint8

// The verdicts.
const (
	// Fresh is a nonce of ours, used for the first time with this count.
	Fresh Verdict = iota
	// Stale is one of ours that is too old, or has been used with this count or a
	// later one: the client may try again with a new one (RFC 7616, section 3.3).
	Stale
	// Foreign is one that we never made.
	Foreign
)

// Nonces makes nonces and remembers which were used. A nonce is its time and some
// random bytes under an HMAC, so nothing is kept for one that nobody answers. The
// memory is bounded: when it is full the oldest nonce goes, and with it all that
// were made before it. It is not for several goroutines at once.
type Nonces struct {
	key   []byte
	used  map[string]*list.Element
	order *list.List // of *use, the one that was made first in front
	// since is when the oldest nonce was made that may be used, nanoseconds.
	since int64
	most  int
}

type use struct {
	nonce string
	made  int64
	count uint32
}

// NewNonces starts with a secret key; nodes with the same key know each other's
// nonces, but not which of them were used.
func NewNonces(key []byte, most int) *Nonces {
	return &Nonces{key: key, used: map[string]*list.Element{}, order: list.New(), most: most}
}

// Make makes a nonce at an instant out of eight random bytes.
func (n *Nonces) Make(now time.Time, random [drawn]byte) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(now.UnixNano()))
	b = append(b, random[:]...)
	return base64.RawURLEncoding.EncodeToString(append(b, n.mac(b)...))
}

func (n *Nonces) mac(b []byte) []byte {
	h := hmac.New(sha256.New, n.key)
	h.Write(b)
	return h.Sum(nil)[:sealed-stamped]
}

// Look judges an answer's nonce without taking it as used.
func (n *Nonces) Look(a *Answer, now time.Time) Verdict {
	v, _ := n.judge(a, now)
	return v
}

// Use judges an answer's nonce and remembers its count. A client without counts
// has used it up.
func (n *Nonces) Use(a *Answer, now time.Time) Verdict {
	v, made := n.judge(a, now)
	if v != Fresh {
		return v
	}
	count := a.Count
	if a.QOP == "" {
		count = 1<<32 - 1
	}
	if e := n.used[a.Nonce]; e != nil {
		e.Value.(*use).count = count
		return Fresh
	}
	n.forget(now)
	n.insert(&use{nonce: a.Nonce, made: made, count: count})
	return Fresh
}

func (n *Nonces) judge(a *Answer, now time.Time) (Verdict, int64) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(a.Nonce)
	if err != nil || len(b) != sealed || !hmac.Equal(n.mac(b[:stamped]), b[stamped:]) {
		return Foreign, 0
	}
	made := int64(binary.BigEndian.Uint64(b))
	if age := now.UnixNano() - made; made <= n.since || age > int64(NonceFor) || age < -ahead {
		return Stale, made
	}
	if e := n.used[a.Nonce]; e != nil {
		if last := e.Value.(*use).count; last == 1<<32-1 || a.Count <= last {
			return Stale, made
		}
	} else if a.QOP != "" && a.Count == 0 {
		return Stale, made // counts begin with 1
	}
	return Fresh, made
}

// insert keeps the order by the time of making.
func (n *Nonces) insert(u *use) {
	at := n.order.Back()
	for at != nil && at.Value.(*use).made > u.made {
		at = at.Prev()
	}
	if at == nil {
		n.used[u.nonce] = n.order.PushFront(u)
		return
	}
	n.used[u.nonce] = n.order.InsertAfter(u, at)
}

// forget drops what is too old, and the oldest ones while there is no room.
func (n *Nonces) forget(now time.Time) {
	for e := n.order.Front(); e != nil; e = n.order.Front() {
		u := e.Value.(*use)
		if now.UnixNano()-u.made <= int64(NonceFor) {
			if n.order.Len() < n.most {
				return
			}
			n.since = max(n.since, u.made)
		}
		n.order.Remove(e)
		delete(n.used, u.nonce)
	}
}

// Len counts the nonces that are remembered.
func (n *Nonces) Len() int { return n.order.Len() }
