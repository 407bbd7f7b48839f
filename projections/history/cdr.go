package history

import "github.com/tollbook/tollbook/events"

// State says how complete a CDR is.
type State string

const (
	// Pending: the leg has not ended, or its charge is not there yet.
	Pending State = "pending"
	// Final: what there is to know is known.
	Final State = "final"
	// Lost: the book has closed the call, and nobody observed how the leg began.
	Lost State = "lost"
)

// Direction tells calls from attempts at vendors.
type Direction string

const (
	// Any is both.
	Any Direction = ""
	// Ingress is leg 0: one row per call.
	Ingress Direction = "ingress"
	// Egress are the legs 1, 2, …: one row per attempt at a vendor.
	Egress Direction = "egress"
)

// CDR is one leg attempt. Times are UTC microseconds since 1970, 0 if it did not
// come to that; money is micro-units of the named currency.
//
// The price is the customer's on leg 0 and the vendor's on the others.
type CDR struct {
	// Call and Leg are the key. Leg 0 is the ingress leg.
	Call  events.CallID
	Leg   int64
	State State
	// Node served the leg.
	Node      string
	SIPCallID string

	// CustomerCompany, CustomerAccount and Originator are the caller's side, on every leg.
	CustomerCompany string
	CustomerAccount string
	Originator      string
	// VendorCompany, VendorAccount, Terminator and Route are the vendor's, on egress legs.
	VendorCompany string
	VendorAccount string
	Terminator    string
	Route         string

	// Caller and Called are the numbers as they stood on this leg's wire.
	Caller     string
	CallerName string
	Called     string
	// CallerRouted and CalledRouted are the numbers after identification, on leg 0.
	CallerRouted     string
	CalledRouted     string
	Diversion        string
	AssertedIdentity string
	// Remote is the other side's signalling address: the source on leg 0, else the destination.
	Remote    string
	Transport string
	UserAgent string

	// SetupUS is the INVITE, RingingUS the first ringing or early media.
	SetupUS    int64
	RingingUS  int64
	AnsweredUS int64
	EndedUS    int64
	// PDDUS is the post-dial delay: INVITE to first ringing, or answer without one.
	PDDUS      int64
	EarlyMedia bool
	Answered   bool
	// RawMS is the talk time by a monotonic clock.
	RawMS   int64
	SIPCode int64
	Reason  string
	Q850    int64
	// Cause is our own word: "answered", "busy", "no_route", "no_money".
	Cause string
	// EndedBy is "caller", "callee", "switch", "lost" or empty.
	EndedBy string
	// Last marks the attempt that decided the call's outcome.
	Last bool
	// Priced says that the row is complete only with the book's word.
	Priced bool

	Codec        string
	MediaAddress string
	// Packets to Rejected are what was received on the leg.
	Packets    int64
	Bytes      int64
	LostPkts   int64
	Duplicates int64
	Reordered  int64
	JitterUS   int64
	// MOSCenti is the E-model's estimate in hundredths: 438 is 4.38.
	MOSCenti int64
	Rejected int64
	Quality

	Price

	// OverrunMicro is what the call's price exceeded its hold by, on leg 0.
	OverrunMicro int64
	// CostMicro is the vendors' net price of the call, on leg 0.
	CostMicro    int64
	CostCurrency string
	// MarginMicro is sell net less buy net, on leg 0; in the base currency where the
	// two sides have different ones. MarginCurrency is empty where no rates lead there.
	MarginMicro    int64
	MarginCurrency string

	// HoldPosition and BookPosition are where the book placed and closed the call's hold.
	HoldPosition int64
	BookPosition int64
	// Emergency says that the call was let through as one to an emergency number.
	Emergency bool
	// Late says that the account's period of the call was closed already when it was
	// charged, Offline that it was let through while the book was silent.
	Late    bool
	Offline bool
	// Recorded and Captured say that a recording or a capture of the call was begun before
	// the leg ended. There is a file of it unless somebody removed it.
	Recorded bool
	Captured bool
}

// Quality is more of a leg's media.
type Quality struct {
	// SRTP is the crypto suite, empty where the media was plain.
	SRTP             string
	MeanJitterUS     int64
	MaxJitterUS      int64
	Gaps             int64 // how often the sequence went on with numbers missing
	LongestSilenceMS int64
	RTTUS, MaxRTTUS  int64 // by RTCP, 0 where it did not tell
	// Reported to ReportedDiscarded are what the far end says of what it received from
	// us: the number of its reports, and, if there are any, its figures. Discarded is
	// in 1/256.
	Reported          int64
	ReportedLost      int64
	ReportedJitterUS  int64
	ReportedMOSCenti  int64
	ReportedDiscarded int64
	// Dropped are packets that came and were not relayed, by reason; Rejected is
	// their sum.
	DroppedSource    int64
	DroppedMalformed int64
	DroppedNoPeer    int64
	DroppedSend      int64
	DroppedAuth      int64
	DroppedReplay    int64
	DTMFEvents       int64 // tones by RFC 4733
}

// Price is one side's price of a leg. Before the charge, and for calls that were
// never answered, it has the terms of the hold and no amounts.
type Price struct {
	// Side is "sell", "buy", or empty where no price is known.
	Side string
	// BilledAccount is the account that pays (sell) or is paid (buy).
	BilledAccount string
	Deck          string
	DeckVersion   int64
	// DeckRow is the row's number in the deck version, from 1.
	DeckRow     int64
	Prefix      string
	Destination string
	// Currency is that of the amounts, DeckCurrency that of the prices and fees;
	// ExchangeE12 leads from the second to the first, 0 where they are the same.
	Currency     string
	DeckCurrency string
	ExchangeE12  int64
	// PriceFirstNano and PriceNextNano are nano-units a minute.
	PriceFirstNano  int64
	PriceNextNano   int64
	IntervalFirstS  int64
	IntervalNextS   int64
	FreeS           int64
	ConnectFeeMicro int64
	// TaxPPM is the tax rate in parts per million.
	TaxPPM int64
	// BilledS are the seconds billed, FirstS of them at the first price.
	BilledS int64
	FirstS  int64
	// Package is the account in seconds that paid the first PackageS of them, empty for
	// none; the amounts are the price of the others.
	Package  string
	PackageS int64
	// Exact is the price before rounding, as a decimal number or a reduced fraction.
	Exact      string
	NetMicro   int64
	TaxMicro   int64
	GrossMicro int64
}

// Direction says whether the row is a call or an attempt.
func (c *CDR) Direction() Direction {
	if c.Leg == 0 {
		return Ingress
	}
	return Egress
}

// party returns the company and account that the row belongs to.
func (c *CDR) party() (company, account string) {
	if c.Leg == 0 {
		return c.CustomerCompany, c.CustomerAccount
	}
	return c.VendorCompany, c.VendorAccount
}

// ForPartner returns the row as the company that it belongs to may see it, and
// false if it belongs to another. A customer does not see what his call cost us,
// a vendor does not see who called through us.
func (c CDR) ForPartner(company string) (CDR, bool) {
	own, _ := c.party()
	if company == "" || own != company {
		return CDR{}, false
	}
	c.Recorded, c.Captured = false, false
	if c.Leg == 0 {
		c.OverrunMicro = 0
		c.CostMicro, c.CostCurrency = 0, ""
		c.MarginMicro, c.MarginCurrency = 0, ""
		return c, true
	}
	c.CustomerCompany, c.CustomerAccount, c.Originator = "", "", ""
	c.Route = ""
	return c, true
}
