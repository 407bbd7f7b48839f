package auth

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// ByToken knows the bearer of a token, nil if it is unknown, revoked or expired, or
// not taken from the address.
func (d *Door) ByToken(secret, address string) *Viewer {
	if secret == "" {
		return nil
	}
	now, hash := d.cfg.Now(), sha256.Sum256([]byte(secret))
	t := d.cfg.Catalog().TokenByHash(hash[:])
	if t == nil || t.Revoked || t.ExpiresAtUs != 0 && now.UnixMicro() >= t.ExpiresAtUs || !takenFrom(t.Networks, address) {
		return nil
	}
	d.uses.note(t.Id, now, address)
	return holder(t)
}

func holder(t *wire.Token) *Viewer {
	return &Viewer{Actor: "token:" + t.Id, Role: t.Role, Company: t.Company, Scopes: t.Scopes, PointsPerMinute: t.PointsPerMinute}
}

// ByActor is who an actor's name stands for, with the rights that he has now; nil for who
// could not sign in any more. What he began earlier is done in his name.
func (d *Door) ByActor(actor string) *Viewer {
	if id, ok := strings.CutPrefix(actor, "user:"); ok {
		if u := d.cfg.Catalog().User(id); u != nil && !u.Disabled {
			return d.viewerOf(u)
		}
	}
	if id, ok := strings.CutPrefix(actor, "token:"); ok {
		item, _ := d.cfg.Catalog().Get(catalog.Ref{Kind: catalog.KindToken, ID: id})
		t := item.Entity.GetToken()
		if t != nil && !t.Revoked && (t.ExpiresAtUs == 0 || d.cfg.Now().UnixMicro() < t.ExpiresAtUs) {
			return holder(t)
		}
	}
	return nil
}

// takenFrom says whether an address is in one of the networks; none is anywhere.
func takenFrom(networks []string, address string) bool {
	if len(networks) == 0 {
		return true
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(n string) bool {
		if p, err := netip.ParsePrefix(n); err == nil {
			return p.Contains(ip)
		}
		one, err := netip.ParseAddr(n)
		return err == nil && one.Unmap() == ip
	})
}

// May says whether the viewer may read a part of the API; that his role may is
// looked at apart.
func (v *Viewer) May(scope wire.TokenScope) bool {
	return len(v.Scopes) == 0 || slices.Contains(v.Scopes, scope)
}

// maxUses bounds the tokens whose last use is remembered.
const maxUses = 10_000

// use is the last use of a token.
type use struct {
	at   time.Time
	from string
}

// uses is the memory of which token was used when, since this node began: it is not
// in the book, which would otherwise grow with every question.
type uses struct {
	mu sync.Mutex
	of map[string]use
}

func newUses() *uses { return &uses{of: map[string]use{}} }

func (u *uses) note(token string, at time.Time, from string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, known := u.of[token]; known || len(u.of) < maxUses {
		u.of[token] = use{at, from}
	}
}

// LastUse is when a token was last used, and from where.
func (d *Door) LastUse(token string) (at time.Time, from string, ok bool) {
	d.uses.mu.Lock()
	defer d.uses.mu.Unlock()
	last, ok := d.uses.of[token]
	return last.at, last.from, ok
}
