package history

import (
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// fromBook makes rows for what only the book knows of, so that a call whose
// node died before its log was written is seen all the same.
func (f *folding) fromBook() {
	if f.hold == nil && f.charge == nil {
		return
	}
	ingress := f.leg(0)
	if !ingress.born {
		f.lostIngress(&ingress.row)
		f.lostEnd(ingress)
	}
	if f.charge == nil || f.charge.GetEgressLeg() == 0 {
		return
	}
	egress := f.leg(f.charge.GetEgressLeg())
	if !egress.born {
		f.lostEgress(&egress.row)
		f.lostEnd(egress)
	}
}

func (f *folding) lostIngress(row *CDR) {
	if row.Node == "" {
		row.Node = f.hold.GetNode()
	}
	if line := f.holdLine(0); line != nil {
		row.CustomerAccount, row.Originator = line.GetPayer(), line.GetOriginator()
	}
	if line := f.chargeLine(wire.Side_SIDE_SELL, 0); line != nil {
		row.CustomerAccount = line.GetAccount()
	}
}

func (f *folding) lostEgress(row *CDR) {
	if row.Node == "" {
		row.Node = f.charge.GetNode()
	}
	route := f.hold.GetRoute()
	if i := int(f.charge.GetCandidate()); i < len(route) {
		row.Terminator, row.VendorAccount = route[i].GetTerminator(), route[i].GetVendorAccount()
		row.Route = route[i].GetRoute()
	}
	if line := f.chargeLine(wire.Side_SIDE_BUY, uint32(row.Leg)); line != nil {
		row.VendorAccount = line.GetAccount()
	}
}

// lostEnd fills answer and end from the charge where no log tells them.
func (f *folding) lostEnd(leg *legFold) {
	if f.charge == nil || leg.over {
		return
	}
	row := &leg.row
	row.AnsweredUS, row.EndedUS = f.charge.GetAnsweredAtUs(), f.charge.GetEndedAtUs()
	row.RawMS, row.Answered = f.charge.GetRawMs(), f.charge.GetAnsweredAtUs() != 0
	row.SIPCode, row.Q850 = int64(f.charge.GetSipCode()), int64(f.charge.GetQ850())
	row.EndedBy = endedBy(f.charge.GetEndedBy())
}

// price fills a row's price: from the charge, else the terms that the hold fixed.
func (f *folding) price(row *CDR) {
	side, name := wire.Side_SIDE_BUY, "buy"
	if row.Leg == 0 {
		side, name = wire.Side_SIDE_SELL, "sell"
	}
	if line := f.chargeLine(side, uint32(row.Leg)); line != nil {
		row.Price = linePrice(line)
	} else if terms, account := f.holdTerms(row); terms != nil {
		row.Price = termsPrice(terms)
		row.Side, row.BilledAccount = name, account
	}
	for _, p := range f.charge.GetPostings() {
		row.Late = row.Late || p.GetLate() && p.GetAccount() == row.BilledAccount
	}
	if row.Leg == 0 && f.charge != nil {
		row.OverrunMicro = f.charge.GetOverrunMicro()
		f.margin(row)
	}
}

// chargeLine finds the charge's price of one side of a leg. Leg 0 takes the
// first sell line there is, if none names it.
func (f *folding) chargeLine(side wire.Side, leg uint32) *wire.PriceLine {
	var first *wire.PriceLine
	for _, line := range f.charge.GetLines() {
		if line.GetSide() != side {
			continue
		}
		if line.GetLeg() == leg {
			return line
		}
		if first == nil {
			first = line
		}
	}
	if side == wire.Side_SIDE_SELL && leg == 0 {
		return first
	}
	return nil
}

func (f *folding) holdLine(leg uint32) *wire.HoldLine {
	lines := f.hold.GetLines()
	for _, line := range lines {
		if line.GetLeg() == leg {
			return line
		}
	}
	if leg == 0 && len(lines) > 0 {
		return lines[0]
	}
	return nil
}

// holdTerms returns the terms that the hold has for a row: the payer's on leg 0,
// else those of the candidate that the leg tries.
func (f *folding) holdTerms(row *CDR) (terms *wire.Terms, account string) {
	if row.Leg == 0 {
		line := f.holdLine(0)
		return line.GetSell(), line.GetPayer()
	}
	for _, candidate := range f.hold.GetRoute() {
		if candidate.GetTerminator() == row.Terminator &&
			(row.Route == "" || candidate.GetRoute() == row.Route) {
			return candidate.GetBuy(), candidate.GetVendorAccount()
		}
	}
	return nil, ""
}

// margin sums both sides of the call. Where they are of several currencies it is
// in the base currency, by the rates that stand on the charge; without rates there
// is none.
func (f *folding) margin(row *CDR) {
	if f.charge.GetBaseCurrency() != "" {
		f.baseMargin(row)
		return
	}
	var sell, buy int64
	var sellCurrency, buyCurrency string
	mixed := false
	for _, line := range f.charge.GetLines() {
		currency, sum := &sellCurrency, &sell
		if line.GetSide() == wire.Side_SIDE_BUY {
			currency, sum = &buyCurrency, &buy
		}
		mixed = mixed || *currency != "" && *currency != rating.Currency(line.GetTerms())
		*currency = rating.Currency(line.GetTerms())
		*sum += line.GetNetMicro()
	}
	if mixed {
		return
	}
	row.CostMicro, row.CostCurrency = buy, buyCurrency
	if buyCurrency == "" || buyCurrency == sellCurrency {
		row.MarginMicro, row.MarginCurrency = sell-buy, sellCurrency
	}
}

// baseMargin converts each line and sums what came of it.
func (f *folding) baseMargin(row *CDR) {
	rates := map[string]int64{}
	for _, r := range f.charge.GetBaseRates() {
		rates[r.GetCurrency()] = r.GetRateE12()
	}
	var sell, buy int64
	for _, line := range f.charge.GetLines() {
		net, ok := rating.ConvertAmount(line.GetNetMicro(), rates[rating.Currency(line.GetTerms())])
		if !ok {
			return
		}
		if line.GetSide() == wire.Side_SIDE_BUY {
			buy += net
		} else {
			sell += net
		}
	}
	row.CostMicro, row.CostCurrency = buy, f.charge.GetBaseCurrency()
	row.MarginMicro, row.MarginCurrency = sell-buy, f.charge.GetBaseCurrency()
}

func linePrice(line *wire.PriceLine) Price {
	p := termsPrice(line.GetTerms())
	p.Side = "sell"
	if line.GetSide() == wire.Side_SIDE_BUY {
		p.Side = "buy"
	}
	p.BilledAccount = line.GetAccount()
	p.BilledS, p.FirstS, p.Exact = line.GetBilledS(), line.GetFirstS(), line.GetExact()
	p.Package, p.PackageS = line.GetPackage(), line.GetPackageS()
	p.NetMicro, p.TaxMicro = line.GetNetMicro(), line.GetTaxMicro()
	p.GrossMicro = line.GetGrossMicro()
	return p
}

func termsPrice(t *wire.Terms) Price {
	return Price{
		Deck: t.GetDeck(), DeckVersion: int64(t.GetDeckVersion()), DeckRow: int64(t.GetRow()),
		Prefix: t.GetPrefix(), Destination: t.GetDestination(), Currency: rating.Currency(t),
		DeckCurrency: t.GetCurrency(), ExchangeE12: t.GetExchangeE12(),
		PriceFirstNano: t.GetPriceFirstNano(), PriceNextNano: t.GetPriceNextNano(),
		IntervalFirstS: int64(t.GetIntervalFirstS()), IntervalNextS: int64(t.GetIntervalNextS()),
		FreeS: int64(t.GetFreeS()), ConnectFeeMicro: t.GetConnectFeeMicro(),
		TaxPPM: int64(t.GetTaxPpm()),
	}
}
