package catalog

import (
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/wire"
)

func TestAccess(t *testing.T) {
	token := func(change func(*wire.Token)) error {
		tk := &wire.Token{Id: "t", Hash: make([]byte, 32), Role: wire.Role_ROLE_NOC}
		change(tk)
		return validateToken(tk)
	}
	user := func(f *wire.SecondFactor) error {
		return validateUser(&wire.User{Id: "u", Password: "$argon2id$x", Role: wire.Role_ROLE_NOC, SecondFactor: f})
	}
	for want, err := range map[string]error{
		"": token(func(t *wire.Token) {
			t.Networks = []string{"192.0.2.0/24", "2001:db8::1"}
			t.Scopes = []wire.TokenScope{1, 2}
		}),
		"scopes.1":                 token(func(t *wire.Token) { t.Scopes = []wire.TokenScope{1, 1} }),
		"scopes.0":                 token(func(t *wire.Token) { t.Scopes = []wire.TokenScope{99} }),
		"networks.1":               token(func(t *wire.Token) { t.Networks = []string{"::/0", "all"} }),
		"networks: at most":        token(func(t *wire.Token) { t.Networks = make([]string, 65) }),
		"points_per_minute":        token(func(t *wire.Token) { t.PointsPerMinute = maxPoints + 1 }),
		"api_points_per_minute":    validateSettings(&wire.Settings{ApiPointsPerMinute: maxPoints + 1}),
		"second_factor_roles.1":    validateSettings(&wire.Settings{SecondFactorRoles: []wire.Role{1, 1}}),
		"second_factor_roles.0":    validateSettings(&wire.Settings{SecondFactorRoles: []wire.Role{42}}),
		"second_factor: it has":    user(&wire.SecondFactor{}),
		"second_factor.recovery.0": user(&wire.SecondFactor{Secret: []byte("x"), Recovery: [][]byte{{1}}}),
	} {
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
