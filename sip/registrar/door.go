package registrar

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/digest"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// Secrets wraps and unwraps what the book keeps; the cluster key does.
type Secrets interface {
	Wrap(name string, secret []byte) ([]byte, error)
	Unwrap(name string, wrapped []byte) ([]byte, error)
}

// DoorConfig is what a Door works with.
type DoorConfig struct {
	World   func() *routing.World
	Secrets Secrets
	// Banned is told of each ban when it begins. May be nil.
	Banned func(Ban)
	Log    *slog.Logger
}

// Door finds out who sends a request, by digest (RFC 3261, section 22; RFC 7616;
// RFC 8760). Whatever is wrong, the answer is the same, and as late: a user that
// does not exist, one without a password, a wrong password.
type Door struct {
	config DoorConfig
	pace   pace
	decoy  []byte // a wrapped secret that nobody knows

	mu     sync.Mutex
	nonces *digest.Nonces
	guard  *guard
}

const decoyName = "nobody"

// NewDoor makes a door with a key of its own for its nonces.
func NewDoor(c DoorConfig) (*Door, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("draw the nonces' key: %w", err)
	}
	secret, err := digest.SecretOf(decoyName, rand.Text(), digest.Realm)
	if err != nil {
		return nil, err
	}
	decoy, err := c.Secrets.Wrap(decoyName, secret.Bytes())
	if err != nil {
		return nil, err
	}
	return &Door{config: c, decoy: decoy, nonces: digest.NewNonces(key, digest.MaxUsed), guard: newGuard()}, nil
}

// Verdict is what a request's credentials are worth.
type Verdict uint8

// The verdicts. Only Passed names a peer.
const (
	// Asked is a request without credentials: it gets a challenge.
	Asked Verdict = iota
	// Passed is one with the right ones.
	Passed
	// Stale is one with the right password for a nonce that is too old or used up:
	// it gets a challenge that says so, and may be repeated without asking anybody.
	Stale
	// Wrong is one with wrong credentials: it gets a challenge as if it had none.
	Wrong
	// Banned is one from an address that tried too much: it gets nothing.
	Banned
)

// Look judges a request without taking its nonce as used: for a first look at the
// door, before the request is let in and judged once more.
func (d *Door) Look(req *sip.Request, from netip.Addr) Verdict {
	_, v := d.judge(req, from, false)
	return v
}

// Judge says who sends a request, as the peer that he is when he calls, and takes
// the nonce as used.
func (d *Door) Judge(req *sip.Request, from netip.Addr) (*wire.Originator, Verdict) {
	return d.judge(req, from, true)
}

func (d *Door) judge(req *sip.Request, from netip.Addr, take bool) (*wire.Originator, Verdict) {
	now := time.Now()
	from = group(from)
	if d.banned(from, now) {
		return nil, Banned
	}
	answer, ok := credentials(req)
	if !ok || answer.Realm != d.realm() {
		return nil, d.asked(from, now)
	}
	peer, right := d.check(req, &answer)
	d.mu.Lock()
	slow := d.guard.slow(answer.Username, from, now)
	if !right || slow {
		ban := d.guard.failed(answer.Username, peer != nil, from, now)
		d.mu.Unlock()
		d.tell(ban)
		return nil, Wrong
	}
	defer d.mu.Unlock()
	worth := d.nonces.Look
	if take {
		worth = d.nonces.Use
	}
	if worth(&answer, now) != digest.Fresh {
		return nil, Stale
	}
	d.guard.passed(answer.Username, from, now)
	return peer, Passed
}

func (d *Door) banned(from netip.Addr, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.guard.banned(from, now)
}

func (d *Door) asked(from netip.Addr, now time.Time) Verdict {
	d.mu.Lock()
	ban := d.guard.asked(from, now)
	d.mu.Unlock()
	d.tell(ban)
	return Asked
}

func (d *Door) tell(ban *Ban) {
	if ban == nil {
		return
	}
	d.config.Log.Warn("a source is banned", "source", ban.Addr.String(), "reason", ban.Reason, "failures", ban.Failures, "until", ban.Until)
	if d.config.Banned != nil {
		d.config.Banned(*ban)
	}
}

// Introduces tells whether a request says who sends it.
func Introduces(req *sip.Request) bool {
	_, ok := credentials(req)
	return ok
}

// credentials reads those of a request.
func credentials(req *sip.Request) (digest.Answer, bool) {
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		for _, h := range req.GetHeaders(name) {
			a, err := digest.Parse(h.Value())
			if err == nil {
				return a, true
			}
		}
	}
	return digest.Answer{}, false
}

// check computes what the answer should be, for a user that does not exist, too.
func (d *Door) check(req *sip.Request, a *digest.Answer) (*wire.Originator, bool) {
	peer, name, wrapped := d.config.World().Credentials(a.Username)
	if peer == nil {
		name, wrapped = decoyName, d.decoy
	}
	plain, err := d.config.Secrets.Unwrap(name, wrapped)
	if err != nil {
		d.config.Log.Error("a peer's digest secret cannot be read", "of", name, "err", err)
		return nil, false
	}
	secret, err := digest.SecretFrom(plain)
	if err != nil {
		d.config.Log.Error("a peer's digest secret cannot be read", "of", name, "err", err)
		return nil, false
	}
	if peer != nil && secret.Realm != d.realm() {
		d.config.Log.Warn("a password was set for another realm: it must be set again", "of", name, "realm", secret.Realm)
	}
	right := a.Right(secret, string(req.Method)) && secret.Realm == a.Realm && d.offers(a.Algorithm) && sameTarget(req, a)
	return peer, right && peer != nil
}

// sameTarget refuses an answer that was made for a call to somebody else. Only the
// user is compared, where the answer names one: proxies on the way may have changed
// the rest.
func sameTarget(req *sip.Request, a *digest.Answer) bool {
	if req.Method != sip.INVITE {
		return true
	}
	var uri sip.Uri
	return sip.ParseUri(a.URI, &uri) == nil && (uri.User == "" || uri.User == req.Recipient.User)
}

func (d *Door) offers(a digest.Algorithm) bool {
	for _, offered := range d.algorithms() {
		if a == offered {
			return true
		}
	}
	return false
}

func (d *Door) realm() string { return digest.RealmOf(d.config.World().Catalog.Settings()) }

// algorithms are those that we challenge with, in order.
func (d *Door) algorithms() []digest.Algorithm {
	var out []digest.Algorithm
	for _, name := range d.config.World().Catalog.Settings().DigestAlgorithms {
		out = append(out, digest.Algorithm(name))
	}
	if len(out) == 0 {
		out = []digest.Algorithm{digest.MD5, digest.SHA256}
	}
	return out
}

// onlyMD5 are programs that refuse an answer with any challenge by another
// algorithm in it, instead of leaving that one out as RFC 8760 wants.
var onlyMD5 = []string{"baresip v0.", "baresip v1."}

// Challenge is the 401 to a request.
func (d *Door) Challenge(req *sip.Request, stale bool) *sip.Response {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		panic("registrar: no randomness: " + err.Error())
	}
	d.mu.Lock()
	nonce := d.nonces.Make(time.Now(), random)
	d.mu.Unlock()
	res := sip.NewResponseFromRequest(req, 401, "Unauthorized", nil)
	old := false
	if ua := req.GetHeader("User-Agent"); ua != nil {
		for _, name := range onlyMD5 {
			old = old || strings.HasPrefix(ua.Value(), name)
		}
	}
	for _, a := range d.algorithms() {
		if old && a != digest.MD5 && d.offers(digest.MD5) {
			continue
		}
		res.AppendHeader(sip.NewHeader("WWW-Authenticate", digest.Challenge(a, d.realm(), nonce, stale)))
	}
	return res
}

// Welcome tells whether a stranger may say who he is now: where anybody could, and
// he does not ask too often.
func (d *Door) Welcome(from netip.Addr) bool {
	return d.config.World().Challenges() && !d.Banned(from) && d.pace.allow(group(from), time.Now())
}

// Greet judges a stranger's request at the gate, before anything of it is kept: it
// gives the answer, nil for none, or lets it in.
func (d *Door) Greet(req *sip.Request, from netip.AddrPort) (answer *sip.Response, in bool) {
	switch v := d.Look(req, from.Addr()); v {
	case Passed:
		return nil, true
	case Banned:
		return nil, false
	default:
		return d.Challenge(req, v == Stale), false
	}
}

// Banned tells whether an address is banned now.
func (d *Door) Banned(from netip.Addr) bool { return d.banned(group(from), time.Now()) }

// Bans are the bans in force.
func (d *Door) Bans() []Ban {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.guard.bans(time.Now())
}

// Lift ends an address's ban and forgets what it did. It is false if there is none.
func (d *Door) Lift(addr netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.guard.lift(group(addr), time.Now())
}

// group is what is counted as one source: an address, or an IPv6 network of 64
// bits, of which one customer has plenty of addresses.
func group(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
