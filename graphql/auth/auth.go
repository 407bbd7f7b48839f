// Package auth lets people and programs in: passwords, sessions, tokens, and who
// is asking. What they may do is decided by their role in the catalog, read anew
// on every request, so that an edit counts at once.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// hashersAtOnce bounds the memory that argon2id takes: 19 MiB each.
const hashersAtOnce = 4

// Config is what the door needs of the house.
type Config struct {
	// Catalog is the newest catalog.
	Catalog func() *catalog.State
	// Now is the clock.
	Now func() time.Time
	// Unwrap reads the secret of a user's second factor, which the cluster's key wraps.
	Unwrap func(user string, wrapped []byte) ([]byte, error)
	// Record writes sign-ins, refused ones, and who asked for money data, into the log. May be
	// nil.
	Record func(ctx context.Context, e *wire.Event) error
	// Log hears of records that could not be written; the default logger if nil.
	Log *slog.Logger
}

// Door signs people in and knows them again. It is safe for many goroutines.
type Door struct {
	cfg      Config
	backoff  *backoff
	sessions *sessions
	uses     *uses
	steps    steps
	hashers  chan struct{}
	decoy    string
}

// New makes a door.
func New(cfg Config) *Door {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Door{
		cfg: cfg, backoff: newBackoff(), sessions: newSessions(), uses: newUses(), steps: steps{last: map[string]uint64{}},
		hashers: make(chan struct{}, hashersAtOnce), decoy: decoy(),
	}
}

// Attempt is somebody who wants in.
type Attempt struct {
	User, Password string
	// Code is of the authenticator, or a recovery code; empty where there is none.
	Code string
	// Address is where the attempt comes from.
	Address string
	// Spend takes a recovery code, by its hash, from the user in the book, for good. It
	// fails if it is not there any more.
	Spend func(user string, hash []byte) error
}

// SignIn lets a user in and gives the secret of a new session. Every refusal
// reads the same, whether the user is unknown, disabled, or the password wrong. It is
// ErrCodeNeeded if the password is right and the code is missing.
func (d *Door) SignIn(ctx context.Context, a Attempt) (*Viewer, string, error) {
	now := d.cfg.Now()
	byUser, bySource := "user "+clip(a.User), "source "+SourceOf(a.Address)
	if !d.backoff.begin(now, byUser, bySource) {
		return nil, "", events.Refuse(events.CodeLimit, "too many attempts: wait a minute and try again")
	}
	u := d.cfg.Catalog().User(a.User)
	hash := d.decoy
	if u != nil {
		hash = u.Password
	}
	right, err := d.verify(ctx, hash, a.Password)
	if err != nil {
		return nil, "", err
	}
	if !right || u == nil || u.Disabled {
		d.refused(ctx, a, reason(u, right))
		return nil, "", events.Refuse(events.CodeForbidden, "user and password do not match")
	}
	if HasSecondFactor(u) {
		spent, err := d.checkCode(u, a.Code)
		if err == nil && spent != nil {
			err = a.Spend(u.Id, spent)
		}
		if err != nil {
			if !errors.Is(err, ErrCodeNeeded) {
				d.refused(ctx, a, "wrong code")
			}
			return nil, "", err
		}
	}
	d.backoff.succeed(byUser, bySource)
	secret, err := d.sessions.open(now, u.Id, u.Password)
	if err != nil {
		return nil, "", err
	}
	d.Record(ctx, &wire.Event{Actor: "user:" + u.Id, Body: &wire.Event_SignedIn{
		SignedIn: &wire.SignedIn{User: u.Id, Address: a.Address},
	}})
	return d.viewerOf(u), secret, nil
}

// refused records an attempt that failed.
func (d *Door) refused(ctx context.Context, a Attempt, why string) {
	d.Record(ctx, &wire.Event{Actor: "user:" + clip(a.User), Body: &wire.Event_SignInFailed{
		SignInFailed: &wire.SignInFailed{User: clip(a.User), Address: a.Address, Reason: why},
	}})
}

// SignOut ends a session.
func (d *Door) SignOut(secret string) { d.sessions.close(secret) }

// CheckPassword says whether a user's password is right; it waits its turn and
// counts as an attempt to sign in.
func (d *Door) CheckPassword(ctx context.Context, user, password string) error {
	if !d.backoff.begin(d.cfg.Now(), "user "+clip(user)) {
		return events.Refuse(events.CodeLimit, "too many attempts: wait a minute and try again")
	}
	hash := d.decoy
	if u := d.cfg.Catalog().User(user); u != nil {
		hash = u.Password
	}
	right, err := d.verify(ctx, hash, password)
	if err != nil {
		return err
	}
	if !right {
		return events.Refuse(events.CodeForbidden, "the old password is wrong")
	}
	d.backoff.succeed("user " + clip(user))
	return nil
}

// BySession knows the user of a session again, nil if it has ended.
func (d *Door) BySession(secret string) *Viewer {
	s, ok := d.sessions.use(d.cfg.Now(), secret)
	if !ok {
		return nil
	}
	u := d.cfg.Catalog().User(s.user)
	if u == nil || u.Disabled || u.Password != s.password {
		d.sessions.close(secret)
		return nil
	}
	return d.viewerOf(u)
}

// verify hashes when there is memory for it.
func (d *Door) verify(ctx context.Context, hash, password string) (bool, error) {
	select {
	case d.hashers <- struct{}{}:
		defer func() { <-d.hashers }()
		return VerifyPassword(hash, password), nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Record writes what somebody did at the door, or asked for behind it, into the log of this
// node. That it could not be written is logged.
func (d *Door) Record(ctx context.Context, e *wire.Event) {
	if d.cfg.Record == nil {
		return
	}
	e.Schema = 1
	e.EffectiveAtUs = events.Micros(d.cfg.Now())
	if err := d.cfg.Record(ctx, e); err != nil {
		d.cfg.Log.WarnContext(ctx, "what somebody did is not recorded", "actor", e.Actor, "err", err)
	}
}

// viewerOf is a user as the API sees him. Whoever must have a second factor and has
// none has no role and no company until then: no rule lets him do anything but set it up.
func (d *Door) viewerOf(u *wire.User) *Viewer {
	v := &Viewer{Actor: "user:" + u.Id, User: u.Id, Role: u.Role, Company: u.Company}
	if needsSecondFactor(d.cfg.Catalog().Settings(), u.Role) && !HasSecondFactor(u) {
		v.Role, v.Company, v.Enrols = wire.Role_ROLE_UNSPECIFIED, "", true
	}
	return v
}

func reason(u *wire.User, right bool) string {
	switch {
	case u == nil:
		return "unknown user"
	case !right:
		return "wrong password"
	default:
		return "disabled"
	}
}

// clip bounds what a stranger can make us remember.
func clip(s string) string { return s[:min(len(s), 64)] }
