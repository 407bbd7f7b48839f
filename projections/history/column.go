package history

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
)

// columnText names the columns of a CDR in their order, in SQL and in CSV. The
// names are an interface: a column may be added at the end, none renamed.
const columnText = catalog.CdrColumns

// Columns returns the names of a CDR's columns in their order.
func Columns() []string { return columnNames() }

func columnNames() []string { return strings.Fields(columnText) }

// pointers returns where each column lies in c, in the order of columnText.
func pointers(c *CDR, into []any) []any {
	return append(into,
		&c.Call, &c.Leg, &c.State, &c.Node, &c.SIPCallID,
		&c.CustomerCompany, &c.CustomerAccount, &c.Originator,
		&c.VendorCompany, &c.VendorAccount, &c.Terminator, &c.Route,
		&c.Caller, &c.CallerName, &c.Called, &c.CallerRouted, &c.CalledRouted,
		&c.Diversion, &c.AssertedIdentity,
		&c.Remote, &c.Transport, &c.UserAgent,
		&c.SetupUS, &c.RingingUS, &c.AnsweredUS, &c.EndedUS, &c.PDDUS, &c.EarlyMedia,
		&c.Answered, &c.RawMS,
		&c.SIPCode, &c.Reason, &c.Q850, &c.Cause, &c.EndedBy, &c.Last, &c.Priced,
		&c.Codec, &c.MediaAddress,
		&c.Packets, &c.Bytes, &c.LostPkts, &c.Duplicates, &c.Reordered, &c.JitterUS,
		&c.MOSCenti, &c.Rejected,
		&c.Side, &c.BilledAccount, &c.Deck, &c.DeckVersion, &c.DeckRow, &c.Prefix,
		&c.Destination, &c.Currency,
		&c.PriceFirstNano, &c.PriceNextNano, &c.IntervalFirstS, &c.IntervalNextS,
		&c.FreeS, &c.ConnectFeeMicro, &c.TaxPPM,
		&c.BilledS, &c.FirstS, &c.Exact, &c.NetMicro, &c.TaxMicro, &c.GrossMicro,
		&c.OverrunMicro, &c.CostMicro, &c.CostCurrency, &c.MarginMicro, &c.MarginCurrency,
		&c.HoldPosition, &c.BookPosition, &c.Emergency, &c.Package, &c.PackageS, &c.Late, &c.Offline,
		&c.DeckCurrency, &c.ExchangeE12,
		&c.SRTP, &c.MeanJitterUS, &c.MaxJitterUS, &c.Gaps, &c.LongestSilenceMS, &c.RTTUS, &c.MaxRTTUS,
		&c.Reported, &c.ReportedLost, &c.ReportedJitterUS, &c.ReportedMOSCenti, &c.ReportedDiscarded,
		&c.DroppedSource, &c.DroppedMalformed, &c.DroppedNoPeer, &c.DroppedSend, &c.DroppedAuth, &c.DroppedReplay, &c.DTMFEvents,
		&c.Recorded, &c.Captured)
}

// bind appends one value with its ordinal.
func bind(into []driver.NamedValue, v driver.Value) []driver.NamedValue {
	return append(into, driver.NamedValue{Ordinal: len(into) + 1, Value: v})
}

// text writes what a column's pointer points to for CSV.
func text(pointer any) string {
	switch p := pointer.(type) {
	case *string:
		return *p
	case *int64:
		return strconv.FormatInt(*p, 10)
	case *bool:
		return strconv.FormatBool(*p)
	case *State:
		return string(*p)
	case *events.CallID:
		return p.String()
	}
	panic(fmt.Sprintf("history: column of type %T", pointer))
}

// placeholders returns n question marks with commas.
func placeholders(n int) string {
	return strings.TrimSuffix(strings.Repeat("?,", n), ",")
}

// Pointers returns where each of Columns lies in the row: a *string, *int64, *bool,
// *State or *events.CallID.
func (c *CDR) Pointers() []any { return pointers(c, nil) }

// Texts returns the columns as they stand in CSV.
func (c *CDR) Texts() []string {
	var texts []string
	for _, p := range pointers(c, nil) {
		texts = append(texts, text(p))
	}
	return texts
}

// StartedUS is when the call began by its id: UTC, microseconds.
func (c *CDR) StartedUS() int64 { return callTimeUS(c.Call) }

// Party returns the company and account that the row belongs to: the customer's on
// leg 0, the vendor's on the others.
func (c *CDR) Party() (company, account string) { return c.party() }
