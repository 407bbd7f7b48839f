// Package auth lets people and programs in: passwords, sessions, tokens, and who
// is asking. What they may do is decided by their role in the catalog, read anew
// on every request, so that an edit counts at once.
package auth

import (
	"context"
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
	// Record writes a sign-in, or a refused one, into the log. May be nil.
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
	hashers  chan struct{}
	decoy    string
}

// New makes a door.
func New(cfg Config) *Door {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Door{
		cfg: cfg, backoff: newBackoff(), sessions: newSessions(), uses: newUses(),
		hashers: make(chan struct{}, hashersAtOnce), decoy: decoy(),
	}
}

// SignIn lets a user in and gives the secret of a new session. Every refusal
// reads the same, whether the user is unknown, disabled, or the password wrong.
func (d *Door) SignIn(ctx context.Context, user, password, address string) (*Viewer, string, error) {
	now := d.cfg.Now()
	byUser, bySource := "user "+clip(user), "source "+SourceOf(address)
	if !d.backoff.begin(now, byUser, bySource) {
		return nil, "", events.Refuse(events.CodeLimit, "too many attempts: wait a minute and try again")
	}
	u := d.cfg.Catalog().User(user)
	hash := d.decoy
	if u != nil {
		hash = u.Password
	}
	right, err := d.verify(ctx, hash, password)
	if err != nil {
		return nil, "", err
	}
	if !right || u == nil || u.Disabled {
		d.record(ctx, &wire.Event{Actor: "user:" + clip(user), Body: &wire.Event_SignInFailed{
			SignInFailed: &wire.SignInFailed{User: clip(user), Address: address, Reason: reason(u, right)},
		}})
		return nil, "", events.Refuse(events.CodeForbidden, "user and password do not match")
	}
	d.backoff.succeed(byUser, bySource)
	secret, err := d.sessions.open(now, u.Id, u.Password)
	if err != nil {
		return nil, "", err
	}
	d.record(ctx, &wire.Event{Actor: "user:" + u.Id, Body: &wire.Event_SignedIn{
		SignedIn: &wire.SignedIn{User: u.Id, Address: address},
	}})
	return viewerOf(u), secret, nil
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
	return viewerOf(u)
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

func (d *Door) record(ctx context.Context, e *wire.Event) {
	if d.cfg.Record == nil {
		return
	}
	e.Schema = 1
	e.EffectiveAtUs = events.Micros(d.cfg.Now())
	if err := d.cfg.Record(ctx, e); err != nil {
		d.cfg.Log.WarnContext(ctx, "sign-in not recorded", "err", err)
	}
}

func viewerOf(u *wire.User) *Viewer {
	return &Viewer{Actor: "user:" + u.Id, User: u.Id, Role: u.Role, Company: u.Company}
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
