package model

import (
	"strings"

	"github.com/tollbook/tollbook/events/wire"
)

// The enums of the API are those of the events under shorter names. The unknown
// value of an event becomes what the event's rules take it for.

// RoleOf is the API's name of a role.
func RoleOf(r wire.Role) Role {
	switch r {
	case wire.Role_ROLE_ADMIN:
		return RoleAdmin
	case wire.Role_ROLE_FINANCE:
		return RoleFinance
	case wire.Role_ROLE_NOC:
		return RoleNoc
	default:
		return RolePartner
	}
}

// Wire is the role as events keep it.
func (e Role) Wire() wire.Role { return wire.Role(wire.Role_value["ROLE_"+string(e)]) }

// TokenScopeOf is the API's name of a scope.
func TokenScopeOf(s wire.TokenScope) TokenScope {
	return TokenScope(strings.TrimPrefix(s.String(), "TOKEN_SCOPE_"))
}

// Wire is the scope as events keep it.
func (e TokenScope) Wire() wire.TokenScope {
	return wire.TokenScope(wire.TokenScope_value["TOKEN_SCOPE_"+string(e)])
}

// AccountKindOf is the API's name of an account's kind.
func AccountKindOf(k wire.AccountKind) AccountKind {
	if k == wire.AccountKind_ACCOUNT_KIND_VENDOR {
		return AccountKindVendor
	}
	return AccountKindCustomer
}

// Wire is the kind as events keep it.
func (e AccountKind) Wire() wire.AccountKind {
	return wire.AccountKind(wire.AccountKind_value["ACCOUNT_KIND_"+string(e)])
}

// Wire is the kind as events keep it.
func (e PostingKind) Wire() wire.PostingKind {
	return wire.PostingKind(wire.PostingKind_value["POSTING_KIND_"+string(e)])
}

// ProfitModeOf is the API's name of a profit mode.
func ProfitModeOf(m wire.ProfitMode) ProfitMode {
	switch m {
	case wire.ProfitMode_PROFIT_MODE_NO_LOSSES:
		return ProfitModeNoLosses
	case wire.ProfitMode_PROFIT_MODE_ALLOW_LOSSES:
		return ProfitModeAllowLosses
	default:
		return ProfitModeProfitOnly
	}
}

// Wire is the mode as events keep it.
func (e ProfitMode) Wire() wire.ProfitMode {
	return wire.ProfitMode(wire.ProfitMode_value["PROFIT_MODE_"+string(e)])
}

// RoundingModeOf is the API's name of a rounding mode.
func RoundingModeOf(m wire.RoundingMode) RoundingMode {
	switch m {
	case wire.RoundingMode_ROUNDING_MODE_UP:
		return RoundingModeUp
	case wire.RoundingMode_ROUNDING_MODE_DOWN:
		return RoundingModeDown
	case wire.RoundingMode_ROUNDING_MODE_HALF_EVEN:
		return RoundingModeHalfEven
	default:
		return RoundingModeHalfUp
	}
}

// Wire is the mode as events keep it.
func (e RoundingMode) Wire() wire.RoundingMode {
	return wire.RoundingMode(wire.RoundingMode_value["ROUNDING_MODE_"+string(e)])
}
