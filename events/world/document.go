package world

// The document, as people write it. Amounts and prices are quoted decimal
// numbers, durations are written as 90s or 2h.

type document struct {
	Settings      *settings      `yaml:"settings"`
	Companies     []company      `yaml:"companies"`
	OriginSets    []originSet    `yaml:"origin_sets"`
	ExchangeRates []exchangeRate `yaml:"exchange_rates"`
	DeckMappings  []deckMapping  `yaml:"deck_mappings"`
	Decks         []deck         `yaml:"decks"`
	NumberLists   []numberList   `yaml:"number_lists"`
	Terminators   []terminator   `yaml:"terminators"`
	RoutePlans    []routePlan    `yaml:"route_plans"`
	Originators   []originator   `yaml:"originators"`
	Subscribers   []subscriber   `yaml:"subscribers"`
	Dids          []did          `yaml:"dids"`
	Registrations []registration `yaml:"registrations"`
	GuardRules    []guardRule    `yaml:"guard_rules"`
	EvidenceRules []evidenceRule `yaml:"evidence_rules"`
	CdrProfiles   []cdrProfile   `yaml:"cdr_profiles"`
	Webhooks      []webhook      `yaml:"webhooks"`
	Users         []user         `yaml:"users"`
	Remove        []removal      `yaml:"remove"`
}

type settings struct {
	BaseCurrency  string   `yaml:"base_currency"`
	MaxDuration   string   `yaml:"max_duration"`
	HuntStopCodes []uint32 `yaml:"hunt_stop_codes"`
	// EmergencyNumbers and EmergencyPrefixes are never refused for money or limits.
	EmergencyNumbers  []string `yaml:"emergency_numbers"`
	EmergencyPrefixes []string `yaml:"emergency_prefixes"`
	// DigestAlgorithms are those that strangers are challenged with: MD5, SHA-256.
	DigestAlgorithms []string `yaml:"digest_algorithms"`
	// Realm is what strangers are told that their password is for.
	Realm string `yaml:"realm"`
	// API is what people and tokens may ask.
	API access `yaml:"api"`
}

type company struct {
	ID       string    `yaml:"id"`
	Name     string    `yaml:"name"`
	TimeZone string    `yaml:"time_zone"`
	Disabled bool      `yaml:"disabled"`
	Accounts []account `yaml:"accounts"`
	// MutualLimits are amounts by currency.
	MutualLimits map[string]string `yaml:"mutual_limits"`
}

type account struct {
	ID             string `yaml:"id"`
	Name           string `yaml:"name"`
	Currency       string `yaml:"currency"`
	Kind           string `yaml:"kind"`
	CreditLimit    string `yaml:"credit_limit"`
	Channels       uint32 `yaml:"channels"`
	CallsPerSecond uint32 `yaml:"calls_per_second"`
	Disabled       bool   `yaml:"disabled"`
	CutOff         *bool  `yaml:"cut_off"`
	// Package is the account in seconds that pays for calls first; PackagePrefixes are
	// what such an account covers.
	Package         *string  `yaml:"package"`
	PackagePrefixes []string `yaml:"package_prefixes"`
	// Offline is what each node may let through while the book is silent; left out,
	// it stays as it is.
	Offline *offline `yaml:"offline"`
	// Alerts stay as they are where they are left out.
	Alerts *alerts `yaml:"alerts"`
}

// alerts are the balances at which people are told; {} takes all away.
type alerts struct {
	Low      *string `yaml:"low"`
	High     *string `yaml:"high"`
	Distance string  `yaml:"distance"`
	// ForecastMinutes tells that the account will be empty so soon.
	ForecastMinutes uint32 `yaml:"forecast_minutes"`
}

type offline struct {
	Calls  uint32 `yaml:"calls"`
	Amount string `yaml:"amount"`
}

type deck struct {
	ID            string  `yaml:"id"`
	Name          string  `yaml:"name"`
	Company       string  `yaml:"company"`
	Currency      string  `yaml:"currency"`
	Rounding      string  `yaml:"rounding"`
	Decimals      *uint32 `yaml:"decimals"`
	TaxPercent    string  `yaml:"tax_percent"`
	TaxInclusive  bool    `yaml:"tax_inclusive"`
	Rows          string  `yaml:"rows"`
	File          string  `yaml:"file"`
	Source        string  `yaml:"source"`
	EffectiveFrom string  `yaml:"effective_from"`
	// TimeZone is that of the bands; Split lets a call go on into another one.
	TimeZone   string `yaml:"time_zone"`
	Bands      []band `yaml:"bands"`
	Split      bool   `yaml:"bands_split"`
	NoticeDays uint32 `yaml:"notice_days"`
}

type terminator struct {
	ID          string `yaml:"id"`
	Company     string `yaml:"company"`
	Account     string `yaml:"account"`
	BuyDeck     string `yaml:"buy_deck"`
	Host        string `yaml:"host"`
	Port        uint32 `yaml:"port"`
	Transport   string `yaml:"transport"`
	TechPrefix  string `yaml:"tech_prefix"`
	Channels    uint32 `yaml:"channels"`
	PDDTimeout  string `yaml:"pdd_timeout"`
	RingTimeout string `yaml:"ring_timeout"`
	Sieve       sieve  `yaml:",inline"`
	// CallsPerSecond bounds the attempts that are sent to it.
	CallsPerSecond uint32 `yaml:"calls_per_second"`
	// AuthUser and AuthPassword answer a digest challenge.
	AuthUser     string `yaml:"auth_user"`
	AuthPassword string `yaml:"auth_password"`
	Disabled     bool   `yaml:"disabled"`
	// Listener is the local address that it is called from.
	Listener string `yaml:"listener"`
	// Nodes are those that call it; with NodesFailover others do while none is there.
	Nodes         []string `yaml:"nodes"`
	NodesFailover bool     `yaml:"nodes_failover"`
	Ping          *ping    `yaml:"ping"`
	// Sip says how its signalling is treated.
	Sip *sipPolicy `yaml:"sip"`
}

type routePlan struct {
	ID     string  `yaml:"id"`
	Name   string  `yaml:"name"`
	Routes []route `yaml:"routes"`
	// Order lists criteria: priority, price, weight, quality.
	Order []orderBy  `yaml:"order"`
	Hunt  []huntRule `yaml:"hunt"`
}

type route struct {
	Prefix     string `yaml:"prefix"`
	Terminator string `yaml:"terminator"`
	Priority   uint32 `yaml:"priority"`
	Weight     uint32 `yaml:"weight"`
	Disabled   bool   `yaml:"disabled"`
	// CallerPrefixes and Hours say whom and when the route is for.
	CallerPrefixes []string `yaml:"caller_prefixes"`
	Hours          []string `yaml:"hours"`
	TimeZone       string   `yaml:"time_zone"`
	PDDTimeout     string   `yaml:"pdd_timeout"`
	RingTimeout    string   `yaml:"ring_timeout"`
}

type originator struct {
	ID             string   `yaml:"id"`
	Company        string   `yaml:"company"`
	Account        string   `yaml:"account"`
	SellDeck       string   `yaml:"sell_deck"`
	RoutePlan      string   `yaml:"route_plan"`
	Networks       []string `yaml:"networks"`
	Port           uint32   `yaml:"port"`
	TechPrefix     string   `yaml:"tech_prefix"`
	Channels       uint32   `yaml:"channels"`
	CallsPerSecond uint32   `yaml:"calls_per_second"`
	Profit         string   `yaml:"profit"`
	MinimumMargin  string   `yaml:"minimum_margin"`
	MaxDuration    string   `yaml:"max_duration"`
	Disabled       bool     `yaml:"disabled"`
	// MinimumMarginPercent is of the sell price.
	MinimumMarginPercent string `yaml:"minimum_margin_percent"`
	// AuthUser and AuthPassword identify it by digest, from any address.
	AuthUser     string        `yaml:"auth_user"`
	AuthPassword string        `yaml:"auth_password"`
	PrefixLimits []prefixLimit `yaml:"prefix_limits"`
	// Listener is the local address that its calls come to, Certificate the name
	// that its TLS certificate must be for.
	Listener    string `yaml:"listener"`
	Certificate string `yaml:"certificate"`
	// Nodes are those that take its calls; with NodesFailover others do while none is
	// there.
	Nodes         []string `yaml:"nodes"`
	NodesFailover bool     `yaml:"nodes_failover"`
	// Redirect sends its calls that come to a shared address on to nodes' own ones.
	Redirect bool  `yaml:"redirect"`
	Sieve    sieve `yaml:",inline"`
	// Sip says how its signalling is treated.
	Sip *sipPolicy `yaml:"sip"`
}

type user struct {
	ID       string `yaml:"id"`
	Name     string `yaml:"name"`
	Role     string `yaml:"role"`
	Company  string `yaml:"company"`
	Password string `yaml:"password"`
	Disabled bool   `yaml:"disabled"`
}

type removal struct {
	Kind string `yaml:"kind"`
	ID   string `yaml:"id"`
}
