package registrar

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

const (
	// maxOffenders bounds the sources, and the users, that are remembered.
	maxOffenders = 10_000
	// window is the time in which failures are counted together.
	window = 10 * time.Minute
	// wrongs in a window ban a source; so do so many requests without credentials
	// in a minute that no right answer follows: somebody looks for users.
	wrongs      = 10
	asks        = 100
	asksWithin  = time.Minute
	firstBan    = 10 * time.Minute
	longestBan  = 24 * time.Hour
	forgetAfter = 24 * time.Hour
	// A user who was tried with freeTries wrong passwords is only heard after a
	// pause that doubles, up to longestPause, except from where he was right before.
	freeTries    = 5
	longestPause = time.Minute
)

// Ban is a source that is not answered for a time.
type Ban struct {
	// Addr is the address; of an IPv6 network of 64 bits its first one.
	Addr     netip.Addr
	Reason   string
	Failures int
	Since    time.Time
	Until    time.Time
}

// offender is what a source did.
type offender struct {
	wrong, asked int
	since, asks  time.Time // when counting began
	last         time.Time
	bans         int
	ban          Ban
}

// tried is a user whose password was guessed at.
type tried struct {
	wrong  int
	last   time.Time
	friend netip.Addr // where the user was right the last time
}

// guard counts what sources and users get wrong. Its memory is bounded: where
// there is no room, of some entries the one that was quiet longest goes.
type guard struct {
	sources map[netip.Addr]*offender
	users   map[string]*tried
}

func newGuard() *guard {
	return &guard{sources: map[netip.Addr]*offender{}, users: map[string]*tried{}}
}

func (g *guard) banned(from netip.Addr, now time.Time) bool {
	o := g.sources[from]
	return o != nil && now.Before(o.ban.Until)
}

// source finds or makes a source's entry.
func (g *guard) source(from netip.Addr, now time.Time) *offender {
	o := g.sources[from]
	if o == nil {
		makeRoom(g.sources, func(o *offender) time.Time { return later(o.last, o.ban.Until) })
		o = &offender{since: now, asks: now}
		g.sources[from] = o
	}
	if now.Sub(o.last) > forgetAfter {
		o.bans = 0
	}
	if now.Sub(o.since) > window {
		o.wrong, o.since = 0, now
	}
	if now.Sub(o.asks) > asksWithin {
		o.asked, o.asks = 0, now
	}
	o.last = now
	return o
}

// makeRoom drops one of a few entries when the memory is full.
func makeRoom[K comparable, V any](m map[K]V, last func(V) time.Time) {
	if len(m) < maxOffenders {
		return
	}
	var worst K
	var quiet time.Time
	seen := 0
	for k, v := range m { // the order is random
		if at := last(v); seen == 0 || at.Before(quiet) {
			worst, quiet = k, at
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(m, worst)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// asked counts a request without credentials.
func (g *guard) asked(from netip.Addr, now time.Time) *Ban {
	o := g.source(from, now)
	if o.asked++; o.asked > asks {
		return o.punish(from, "asked for too many users", o.asked, now)
	}
	return nil
}

// failed counts a wrong answer. Only users that there are get a pause.
func (g *guard) failed(user string, exists bool, from netip.Addr, now time.Time) *Ban {
	if exists {
		u := g.users[user]
		if u == nil {
			makeRoom(g.users, func(t *tried) time.Time { return t.last })
			u = &tried{}
			g.users[user] = u
		}
		if now.Sub(u.last) > window {
			u.wrong = 0
		}
		u.wrong++
		u.last = now
	}
	o := g.source(from, now)
	if o.wrong++; o.wrong >= wrongs {
		return o.punish(from, "wrong passwords", o.wrong, now)
	}
	return nil
}

func (o *offender) punish(from netip.Addr, reason string, failures int, now time.Time) *Ban {
	length := min(firstBan<<min(o.bans, 10), longestBan)
	o.bans++
	o.wrong, o.asked = 0, 0
	o.ban = Ban{Addr: from, Reason: reason, Failures: failures, Since: now, Until: now.Add(length)}
	ban := o.ban
	return &ban
}

// slow tells whether a user must not be heard yet.
func (g *guard) slow(user string, from netip.Addr, now time.Time) bool {
	u := g.users[user]
	if u == nil || u.wrong < freeTries || u.friend == from {
		return false
	}
	pause := min(time.Second<<min(u.wrong-freeTries, 10), longestPause)
	return now.Sub(u.last) < pause
}

// passed forgives a source, and remembers where the user is at home.
func (g *guard) passed(user string, from netip.Addr, now time.Time) {
	if o := g.sources[from]; o != nil {
		o.wrong, o.asked, o.last = 0, 0, now
	}
	u := g.users[user]
	if u == nil {
		makeRoom(g.users, func(t *tried) time.Time { return t.last })
		u = &tried{}
		g.users[user] = u
	}
	u.friend, u.last = from, now
	u.wrong = 0
}

func (g *guard) bans(now time.Time) []Ban {
	var out []Ban
	for _, o := range g.sources {
		if now.Before(o.ban.Until) {
			out = append(out, o.ban)
		}
	}
	slices.SortFunc(out, func(a, b Ban) int { return cmp.Or(b.Since.Compare(a.Since), a.Addr.Compare(b.Addr)) })
	return out
}

func (g *guard) lift(from netip.Addr, now time.Time) bool {
	lifted := g.banned(from, now)
	if lifted {
		delete(g.sources, from)
	}
	return lifted
}
