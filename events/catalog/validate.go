package catalog

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/digest"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	maxName     = 120
	maxNetworks = 64
	// maxOfflineCalls bounds what a node may let through for an account by itself.
	maxOfflineCalls = 1000
	ppm             = 1_000_000
)

// CheckID refuses an id that is not 1 to 64 small letters, digits, dots,
// dashes or underscores, beginning with a letter or digit.
func CheckID(id string) error {
	if id == "" {
		return events.Invalid("the id is missing")
	}
	if len(id) > 64 {
		return events.Invalid("id %q is longer than 64 characters", id[:64]+"…")
	}
	for i := range len(id) {
		c := id[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_' && c != '.') {
			return events.Invalid("id %q: only small letters, digits, '-', '_' and '.' are allowed", id)
		}
	}
	return nil
}

// validate checks an entity's own fields.
func validate(e *wire.Entity) *events.Error {
	ref := RefOf(e)
	err := validateID(e, ref)
	if err == nil {
		err = validateFields(e)
	}
	if err == nil {
		return nil
	}
	var domain *events.Error
	if !errors.As(err, &domain) {
		domain = events.Invalid("%v", err)
	}
	return events.Refuse(domain.Code, "%s: %v", ref, err)
}

func validateID(e *wire.Entity, ref Ref) error {
	switch of := e.Of.(type) {
	case *wire.Entity_Settings:
		if ref.ID != "settings" {
			return events.Invalid("the settings' id is \"settings\"")
		}
	case *wire.Entity_ExchangeRate, *wire.Entity_Did: // their ids are checked with their fields
	case *wire.Entity_DeckVersion:
		if want := VersionID(of.DeckVersion.Deck, of.DeckVersion.Number); ref.ID != want {
			return events.Invalid("the id must be %q", want)
		}
	case *wire.Entity_Route:
		if want := RouteID(of.Route.Plan, of.Route.Prefix, of.Route.Terminator); ref.ID != want {
			return events.Invalid("the id must be %q", want)
		}
	default:
		return CheckID(ref.ID)
	}
	return nil
}

// VersionID is the id of a deck's version.
func VersionID(deck string, number uint64) string { return fmt.Sprintf("%s/%d", deck, number) }

// RouteID is the id of a route.
func RouteID(plan, prefix, terminator string) string { return plan + "/" + prefix + "/" + terminator }

func validateFields(e *wire.Entity) error {
	switch of := e.Of.(type) {
	case *wire.Entity_Settings:
		return validateSettings(of.Settings)
	case *wire.Entity_Company:
		return validateCompany(of.Company)
	case *wire.Entity_Account:
		return validateAccount(of.Account)
	case *wire.Entity_Originator:
		return validateOriginator(of.Originator)
	case *wire.Entity_Terminator:
		return validateTerminator(of.Terminator)
	case *wire.Entity_Deck:
		return validateDeck(of.Deck)
	case *wire.Entity_DeckVersion:
		return validateVersion(of.DeckVersion)
	case *wire.Entity_RoutePlan:
		return validatePlan(of.RoutePlan)
	case *wire.Entity_Route:
		return validateRoute(of.Route)
	case *wire.Entity_User:
		return validateUser(of.User)
	case *wire.Entity_Token:
		return validateToken(of.Token)
	case *wire.Entity_OriginSet:
		return validateOrigins(of.OriginSet)
	case *wire.Entity_ExchangeRate:
		return validateExchange(of.ExchangeRate)
	case *wire.Entity_DeckMapping:
		return validateMapping(of.DeckMapping)
	case *wire.Entity_NumberList:
		return validateList(of.NumberList)
	case *wire.Entity_Subscriber:
		return validateSubscriber(of.Subscriber)
	case *wire.Entity_Did:
		return validateDid(of.Did)
	case *wire.Entity_Registration:
		return validateRegistration(of.Registration)
	case *wire.Entity_GuardRule:
		return validateGuard(of.GuardRule)
	case *wire.Entity_EvidenceRule:
		return validateEvidence(of.EvidenceRule)
	case *wire.Entity_CdrProfile:
		return validateCdrProfile(of.CdrProfile)
	case *wire.Entity_CdrProgress:
		return validateCdrProgress(of.CdrProgress)
	case *wire.Entity_Webhook:
		return validateWebhook(of.Webhook)
	case *wire.Entity_WebhookProgress:
		return validateWebhookProgress(of.WebhookProgress)
	case *wire.Entity_Job:
		return validateJob(of.Job)
	}
	return nil
}

func checkName(name string) error {
	if len(name) > maxName {
		return events.Invalid("the name is longer than %d bytes", maxName)
	}
	return nil
}

func checkSeconds(field string, s uint32) error {
	if s > rating.MaxSeconds {
		return events.Invalid("%s is longer than 31 days", field)
	}
	return nil
}

func validateSettings(s *wire.Settings) error {
	if s.BaseCurrency != "" {
		if err := checkMoney(s.BaseCurrency); err != nil {
			return err
		}
	}
	if err := checkPrefixes("emergency_numbers", s.EmergencyNumbers, maxEmergency); err != nil {
		return err
	}
	if err := checkPrefixes("emergency_prefixes", s.EmergencyPrefixes, maxEmergency); err != nil {
		return err
	}
	for _, c := range s.HuntStopCodes {
		if c < 300 || c > 699 {
			return events.Invalid("%d is not the code of a refused call: those are 300 to 699", c)
		}
	}
	for i, a := range s.DigestAlgorithms {
		if a != string(digest.MD5) && a != string(digest.SHA256) || slices.Contains(s.DigestAlgorithms[:i], a) {
			return events.Invalid("digest_algorithms.%d: %.20q is not one of MD5 and SHA-256, or there twice", i, a)
		}
	}
	if err := digest.CheckRealm(s.Realm); err != nil {
		return err
	}
	if err := validateAccess(s); err != nil {
		return err
	}
	if len(s.RemovedNodes) > maxRemovedNodes {
		return events.Invalid("removed_nodes: %d names are more than %d: take out those whose certificates are no more", len(s.RemovedNodes), maxRemovedNodes)
	}
	if err := validatePlaces(s.NodePlaces); err != nil {
		return err
	}
	return checkSeconds("max_duration_s", s.MaxDurationS)
}

// maxRemovedNodes bounds the nodes that are remembered not to be let in.
const maxRemovedNodes = 1000

func validateCompany(c *wire.Company) error {
	seen := map[string]bool{}
	for _, l := range c.MutualLimits {
		if err := checkMoney(l.Currency); err != nil {
			return err
		}
		if seen[l.Currency] || l.LimitMicro < 0 || l.LimitMicro > int64(money.MaxAmount)/2 {
			return events.Invalid("the mutual limit in %s is negative, too large or there twice", l.Currency)
		}
		seen[l.Currency] = true
	}
	return checkName(c.Name)
}

func validateAccount(a *wire.Account) error {
	if _, err := money.ParseCurrency(a.Currency); err != nil {
		return err
	}
	switch {
	case a.Company == "":
		return events.Invalid("the company is missing")
	case a.Kind != wire.AccountKind_ACCOUNT_KIND_CUSTOMER && a.Kind != wire.AccountKind_ACCOUNT_KIND_VENDOR:
		return events.Invalid("the kind must be customer or vendor")
	case a.CreditLimitMicro < 0:
		return events.Invalid("the credit limit is negative")
	case a.CreditLimitMicro > int64(money.MaxAmount)/2:
		return events.Invalid("the credit limit is too large")
	case a.Alerts.GetRearmMicro() < 0:
		return events.Invalid("the distance at which alerts are armed again is negative")
	case a.Alerts != nil && a.Alerts.LowMicro != nil && a.Alerts.HighMicro != nil && *a.Alerts.LowMicro >= *a.Alerts.HighMicro:
		return events.Invalid("the low threshold is not below the high one")
	case a.OfflineMicro < 0 || a.OfflineMicro > int64(money.MaxAmount)/2 || a.OfflineCalls > maxOfflineCalls:
		return events.Invalid("the offline allowance is negative, too large, or of more than %d calls a node", maxOfflineCalls)
	case a.OfflineMicro > 0 && a.OfflineCalls == 0:
		return events.Invalid("an offline amount lets nothing through without offline calls: say how many")
	case a.CutOff && a.Kind != wire.AccountKind_ACCOUNT_KIND_VENDOR:
		return events.Invalid("only a vendor's account has a cut-off of its own")
	}
	if err := validatePackage(a); err != nil {
		return err
	}
	return checkName(a.Name)
}

func validateOriginator(o *wire.Originator) error {
	switch {
	case o.Company == "" || o.Account == "" || o.SellDeck == "" || o.RoutePlan == "":
		return events.Invalid("company, account, sell deck and route plan are needed")
	case len(o.Networks) == 0 && o.AuthUser == "":
		return events.Invalid("at least one network is needed, or an auth_user")
	case len(o.Networks) > maxNetworks:
		return events.Invalid("at most %d networks are allowed", maxNetworks)
	case o.Port > 65535:
		return events.Invalid("port %d is above 65535", o.Port)
	case o.MinimumMarginNano < 0:
		return events.Invalid("the minimum margin is negative")
	}
	for i, n := range o.Networks {
		p, err := netip.ParsePrefix(n)
		if err != nil || p != p.Masked() || p.Addr().Is4In6() {
			return events.Invalid("networks.%d: %q is not a network such as 192.0.2.0/24", i, n)
		}
	}
	if err := checkTechPrefix(o.TechPrefix); err != nil {
		return err
	}
	if err := checkDigest(o.AuthUser, o.AuthSecret); err != nil {
		return err
	}
	if o.MinimumMarginPpm > ppm {
		return events.Invalid("a minimum margin is at most 100 %% of the sell price")
	}
	if err := validateSip(o.Sip); err != nil {
		return err
	}
	if err := validateSieve(o.Rewrites, o.Lists); err != nil {
		return err
	}
	if err := validateDoor(o); err != nil {
		return err
	}
	if err := validatePrefixLimits(o.PrefixLimits); err != nil {
		return err
	}
	return checkSeconds("max_duration_s", o.MaxDurationS)
}

func checkTechPrefix(p string) error {
	if len(p) > number.MaxPrefix || strings.Trim(p, "0123456789#*") != "" {
		return events.Invalid("tech prefix %q is not made of at most %d digits, # or *", p, number.MaxPrefix)
	}
	return nil
}

func validateTerminator(t *wire.Terminator) error {
	switch {
	case t.Company == "" || t.Account == "" || t.BuyDeck == "":
		return events.Invalid("company, account and buy deck are needed")
	case t.Host == "" || len(t.Host) > 253 || strings.ContainsAny(t.Host, " /@<>\"\r\n"):
		return events.Invalid("the host %q is neither an IP address nor a domain name", t.Host)
	case t.Port > 65535:
		return events.Invalid("port %d is above 65535", t.Port)
	case t.Transport != "" && !slices.Contains(transports, t.Transport):
		return events.Invalid("transport %q is not udp, tcp or tls", t.Transport)
	case len(t.AuthUser) > maxName || len(t.AuthSecret) > 512:
		return events.Invalid("the digest credentials are too long")
	case (t.AuthUser == "") != (len(t.AuthSecret) == 0):
		return events.Invalid("digest credentials need a user and a password")
	case t.PddTimeoutMs > 180_000 || t.RingTimeoutMs > 600_000:
		return events.Invalid("a PDD timeout may have 180 s, a ring timeout 600 s at most")
	}
	if err := validateSieve(t.Rewrites, t.Lists); err != nil {
		return err
	}
	if err := checkListener(t.Listener); err != nil {
		return err
	}
	if err := validateTold(t.SheetTold, t.SheetToldUs); err != nil {
		return err
	}
	if err := validateNodes(t.Nodes, t.NodesFailover); err != nil {
		return err
	}
	if err := validatePing(t.Ping); err != nil {
		return err
	}
	if err := validateSip(t.Sip); err != nil {
		return err
	}
	return checkTechPrefix(t.TechPrefix)
}

func validateDeck(d *wire.Deck) error {
	if err := checkMoney(d.Currency); err != nil {
		return err
	}
	if d.Decimals > 6 {
		return events.Invalid("decimals must be 0 to 6")
	}
	if d.TaxPpm > ppm {
		return events.Invalid("the tax is above 100 %%")
	}
	if err := validateBands(d); err != nil {
		return err
	}
	return checkName(d.Name)
}

func validateVersion(v *wire.DeckVersion) error {
	switch {
	case v.Deck == "" || v.Number == 0:
		return events.Invalid("deck and number are needed")
	case len(v.Digest) != 32:
		return events.Invalid("the digest must be a SHA-256")
	case v.Rows == 0 || v.Rows > rating.MaxRows:
		return events.Invalid("a version has 1 to %d rows", rating.MaxRows)
	}
	return nil
}
