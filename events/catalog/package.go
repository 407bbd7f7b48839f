package catalog

import (
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	maxPackagePrefixes = 500
	maxEmergency       = 64
)

// checkMoney refuses what is no currency, and seconds, which are none that a price
// or a rate could be in.
func checkMoney(currency string) error {
	c, err := money.ParseCurrency(currency)
	if err == nil && c == money.Seconds {
		err = events.Invalid("%s is the currency of packages of seconds; a currency of money is needed here", c)
	}
	return err
}

// IsPackage tells an account in seconds from those in money.
func IsPackage(a *wire.Account) bool { return a.GetCurrency() == string(money.Seconds) }

// validatePackage checks what belongs to packages, and what does not.
func validatePackage(a *wire.Account) error {
	customer := a.Kind == wire.AccountKind_ACCOUNT_KIND_CUSTOMER
	switch {
	case !IsPackage(a) && len(a.PackagePrefixes) > 0:
		return events.Invalid("only an account in seconds (%s) has package prefixes", money.Seconds)
	case a.Package != "" && (IsPackage(a) || !customer):
		return events.Invalid("only a customer's account in money can have a package")
	case !IsPackage(a):
		return nil
	case !customer:
		return events.Invalid("an account in seconds is a package, and its kind is customer")
	case a.Channels > 0 || a.CallsPerSecond > 0 || a.OfflineCalls > 0 || a.OfflineMicro > 0:
		return events.Invalid("a package has no limits on calls of its own: set them on the accounts that use it")
	}
	return checkPrefixes("package_prefixes", a.PackagePrefixes, maxPackagePrefixes)
}

func checkPrefixes(field string, list []string, most int) error {
	if len(list) > most {
		return events.Invalid("%s: at most %d are allowed", field, most)
	}
	for i, p := range list {
		if err := number.CheckPrefix(p); err != nil {
			return events.Invalid("%s.%d: %v", field, i, err)
		}
		if slices.Contains(list[:i], p) {
			return events.Invalid("%s.%d: %s stands twice", field, i, p)
		}
	}
	return nil
}

// checkPackageLink refuses a package that is another company's, or no package.
func (s *State) checkPackageLink(ref Ref, a *wire.Account) *events.Error {
	if a.Package == "" {
		return nil
	}
	switch p := s.Account(a.Package); {
	case !IsPackage(p):
		return events.Invalid("%s: account %s is in %s; a package is in seconds (%s)", ref, p.Id, p.Currency, money.Seconds)
	case p.Company != a.Company:
		return events.Invalid("%s: package %s is of company %s, the account of company %s", ref, p.Id, p.Company, a.Company)
	}
	return nil
}

// PackageFor is the package that pays for an account's calls to a number, empty
// where it has none, or one for other destinations, or one that is disabled.
func (s *State) PackageFor(account, called string) string {
	id := s.Account(account).GetPackage()
	if id == "" {
		return ""
	}
	p := s.Account(id)
	if p.GetDisabled() || len(p.GetPackagePrefixes()) > 0 && longest(p.PackagePrefixes, called) == "" {
		return ""
	}
	return id
}

// longest is the longest of the prefixes that a number has.
func longest(prefixes []string, called string) (best string) {
	for _, p := range prefixes {
		if len(p) > len(best) && strings.HasPrefix(called, p) {
			best = p
		}
	}
	return best
}

// Emergency is the settings' emergency number that a called number is, or else the
// longest emergency prefix that it has; empty for all other numbers.
func Emergency(st *wire.Settings, called string) string {
	if slices.Contains(st.GetEmergencyNumbers(), called) {
		return called
	}
	return longest(st.GetEmergencyPrefixes(), called)
}

// IsEmergency tells whether settings name an emergency number or prefix.
func IsEmergency(st *wire.Settings, mark string) bool {
	return slices.Contains(st.GetEmergencyNumbers(), mark) || slices.Contains(st.GetEmergencyPrefixes(), mark)
}
