package world

import (
	"cmp"

	"github.com/tollbook/tollbook/events/wire"
)

// access are the settings of the API; what is left out stays.
type access struct {
	PointsPerMinute *uint32 `yaml:"points_per_minute"`
	PersistedOnly   *bool   `yaml:"persisted_only"`
	// SecondFactor are the roles whose people must have one.
	SecondFactor []string `yaml:"second_factor"`
}

func roleOf(name string) (wire.Role, error) {
	return choice("role", name, map[string]wire.Role{
		"admin": wire.Role_ROLE_ADMIN, "finance": wire.Role_ROLE_FINANCE, "noc": wire.Role_ROLE_NOC, "partner": wire.Role_ROLE_PARTNER,
	})
}

// access gives the settings' part of the API.
func (e *edit) access(a access) (*wire.Settings, error) {
	was := e.cat.Settings()
	points, only := was.ApiPointsPerMinute, was.ApiPersistedOnly
	out := &wire.Settings{ApiPointsPerMinute: *cmp.Or(a.PointsPerMinute, &points), ApiPersistedOnly: *cmp.Or(a.PersistedOnly, &only)}
	var roles []wire.Role
	for _, name := range a.SecondFactor {
		role, err := roleOf(name)
		if err != nil {
			return nil, err
		}
		roles = append(roles, role)
	}
	if a.SecondFactor != nil && roles == nil {
		roles = []wire.Role{}
	}
	out.SecondFactorRoles = stays(roles, was.SecondFactorRoles)
	return out, nil
}
