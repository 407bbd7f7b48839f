package catalog

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// maxPoints bounds what questions may cost in a minute.
	maxPoints       = 1_000_000_000
	maxRecovery     = 20
	maxFactorSecret = 512
)

// validateAccess checks the settings of the API.
func validateAccess(s *wire.Settings) error {
	if s.ApiPointsPerMinute > maxPoints {
		return events.Invalid("api_points_per_minute: at most %d", maxPoints)
	}
	for i, r := range s.SecondFactorRoles {
		if err := checkRole(r); err != nil || slices.Contains(s.SecondFactorRoles[:i], r) {
			return events.Invalid("second_factor_roles.%d: a role is unknown, or stands there twice", i)
		}
	}
	return nil
}

// checkRole refuses roles that this version does not know: what they may do is
// unknown, too.
func checkRole(r wire.Role) error {
	if _, known := wire.Role_name[int32(r)]; !known || r == wire.Role_ROLE_UNSPECIFIED {
		return events.Invalid("the role is missing: admin, finance, noc or partner")
	}
	return nil
}

func validateUser(u *wire.User) error {
	if err := checkRole(u.Role); err != nil {
		return err
	}
	switch {
	case (u.Role == wire.Role_ROLE_PARTNER) != (u.Company != ""):
		return events.Invalid("a partner, and only a partner, has a company")
	case !strings.HasPrefix(u.Password, "$argon2id$") || len(u.Password) > 256:
		return events.Invalid("the password must be an argon2id hash")
	}
	if f := u.SecondFactor; f != nil {
		if len(f.Secret) == 0 || len(f.Secret) > maxFactorSecret || len(f.Recovery) > maxRecovery {
			return events.Invalid("second_factor: it has a secret, and at most %d recovery codes", maxRecovery)
		}
		for i, hash := range f.Recovery {
			if len(hash) != 32 {
				return events.Invalid("second_factor.recovery.%d: a recovery code's hash must be a SHA-256", i)
			}
		}
	}
	return checkName(u.Name)
}

func validateToken(t *wire.Token) error {
	if err := checkRole(t.Role); err != nil {
		return err
	}
	switch {
	case (t.Role == wire.Role_ROLE_PARTNER) != (t.Company != ""):
		return events.Invalid("a partner's token, and only a partner's, has a company")
	case len(t.Hash) != 32:
		return events.Invalid("the hash must be a SHA-256")
	}
	if err := validateScopes(t); err != nil {
		return err
	}
	return checkName(t.Name)
}

// validateScopes checks what narrows a token down.
func validateScopes(t *wire.Token) error {
	seen := map[wire.TokenScope]bool{}
	for i, s := range t.Scopes {
		if _, known := wire.TokenScope_name[int32(s)]; !known || s == wire.TokenScope_TOKEN_SCOPE_UNSPECIFIED || seen[s] {
			return events.Invalid("scopes.%d: a scope is unknown, or stands there twice", i)
		}
		seen[s] = true
	}
	if len(t.Networks) > maxNetworks {
		return events.Invalid("networks: at most %d", maxNetworks)
	}
	for i, n := range t.Networks {
		_, err := netip.ParsePrefix(n)
		if _, addrErr := netip.ParseAddr(n); err != nil && addrErr != nil {
			return events.Invalid("networks.%d: %.60q is no network, such as 192.0.2.0/24 or 2001:db8::1", i, n)
		}
	}
	if t.PointsPerMinute > maxPoints {
		return events.Invalid("points_per_minute: at most %d", maxPoints)
	}
	return nil
}
