package auth

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// ErrCodeNeeded is the answer to a right password without the code that belongs to it.
var ErrCodeNeeded = errors.New("a code is needed")

// HasSecondFactor says whether a user has one that is confirmed.
func HasSecondFactor(u *wire.User) bool { return u.GetSecondFactor().GetConfirmedAtUs() != 0 }

// needsSecondFactor says whether the settings want one of a role.
func needsSecondFactor(s *wire.Settings, r wire.Role) bool {
	return slices.Contains(s.GetSecondFactorRoles(), r)
}

// checkCode checks the code of a user with a second factor. It gives the hash of the
// recovery code that was used, which must be spent before it counts.
func (d *Door) checkCode(u *wire.User, code string) (spent []byte, err error) {
	code = strings.TrimSpace(code)
	wrong := events.Refuse(events.CodeForbidden, "the code is wrong, or was used already")
	switch {
	case code == "":
		return nil, ErrCodeNeeded
	case len(code) > totpDigits:
		hash := recoveryHash(code)
		if !slices.ContainsFunc(u.SecondFactor.GetRecovery(), func(h []byte) bool { return bytes.Equal(h, hash) }) {
			return nil, wrong
		}
		return hash, nil
	}
	if err := d.takeCode(u, code); err != nil {
		return nil, err
	}
	return nil, nil
}

// takeCode takes a code of a user's authenticator, once.
func (d *Door) takeCode(u *wire.User, code string) error {
	wrong := events.Refuse(events.CodeForbidden, "the code is wrong, or was used already")
	secret, err := d.cfg.Unwrap(u.Id, u.GetSecondFactor().GetSecret())
	if err != nil {
		return err
	}
	if step, ok := stepOf(secret, strings.TrimSpace(code), d.cfg.Now()); !ok || !d.steps.take(u.Id, step) {
		return wrong
	}
	return nil
}

// ProveCode checks a code of somebody who has signed in, of a second factor that is
// confirmed or not yet; it counts as an attempt. Recovery codes are not taken.
func (d *Door) ProveCode(user, code string) error {
	u := d.cfg.Catalog().User(user)
	if u == nil || len(u.GetSecondFactor().GetSecret()) == 0 {
		return events.Refuse(events.CodeConflict, "there is no second factor: begin to set it up")
	}
	if !d.backoff.begin(d.cfg.Now(), "code "+user) {
		return events.Refuse(events.CodeLimit, "too many attempts: wait a minute and try again")
	}
	if err := d.takeCode(u, code); err != nil {
		return err
	}
	d.backoff.succeed("code " + user)
	return nil
}
