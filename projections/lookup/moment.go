package lookup

import (
	"time"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// shiftsFor is how far ahead the changes of bands are known, refresh how often
	// they are made anew.
	shiftsFor = 8 * 24 * time.Hour
	refresh   = 24 * time.Hour
	// shiftsBefore is how far back they reach, for calls that were fixed a moment ago.
	shiftsBefore = time.Hour
)

// MomentOf is what the prices of a deck's version depend on beside its rows, as
// it is at an instant.
func MomentOf(z *Zones, c *catalog.State, d *wire.Deck, v *wire.DeckVersion, now time.Time) rating.Moment {
	m := rating.Moment{Origins: map[string]*wire.OriginSet{}, Exchange: map[string]*wire.ExchangeRate{}}
	for _, id := range v.OriginSets {
		m.Origins[id] = c.OriginSet(id)
	}
	if len(v.Bands) > 0 {
		m.Shifts = Shifts(z, d, now.Add(-shiftsBefore), now.Add(shiftsFor))
	}
	for _, quote := range c.Quotes(d.Currency) {
		if r := c.Exchange(d.Currency, quote, now.UnixMicro()); r != nil {
			m.Exchange[quote] = r
		}
	}
	return m
}

// Shifts are the instants between two others at which another band of a deck
// begins, the first of them not after the first. It is decided minute by minute
// by what the clocks of the deck's zone show, so an hour that a night has twice
// is in its band twice, and one that is left out never is. A zone that nobody
// knows is taken for UTC.
func Shifts(z *Zones, d *wire.Deck, from, to time.Time) []rating.Shift {
	var out []rating.Shift
	zone := d.TimeZone
	if zone == "" {
		zone = "UTC"
	}
	for at := from.Truncate(time.Minute); at.Before(to); at = at.Add(time.Minute) {
		offset, _ := z.Offset(zone, at.UnixMicro())
		band := bandOf(d, at.Unix()+int64(offset))
		if len(out) == 0 || out[len(out)-1].Band != band {
			out = append(out, rating.Shift{AtUS: at.UnixMicro(), Band: band})
		}
	}
	return out
}

// bandOf is the first band that holds a wall clock's time, "" if none does.
func bandOf(d *wire.Deck, local int64) string {
	const week, monday = 7 * 24 * 60, 4 * 24 * 60 // 1 January 1970 was a Thursday
	minute := uint32(((local/60-monday)%week + week) % week)
	for _, b := range d.Bands {
		for _, h := range b.Hours {
			in := h.FromMinute <= minute && minute < h.ToMinute
			if h.ToMinute <= h.FromMinute { // over the week's end
				in = minute >= h.FromMinute || minute < h.ToMinute
			}
			if in {
				return b.Name
			}
		}
	}
	return ""
}

// nextChange is the first instant after now at which tables must be made anew, 0
// if there is none: a version or an exchange rate takes effect, or the changes of
// bands run out.
func nextChange(c *catalog.State, now time.Time) int64 {
	next := int64(0)
	sooner := func(us int64) {
		if us > now.UnixMicro() && (next == 0 || us < next) {
			next = us
		}
	}
	for _, it := range c.List(catalog.KindDeck) {
		for _, v := range c.Versions(it.Entity.GetDeck().Id) {
			sooner(v.EffectiveFromUs)
		}
		if len(it.Entity.GetDeck().Bands) > 0 {
			sooner(now.Add(refresh).UnixMicro())
		}
	}
	for _, it := range c.List(catalog.KindExchangeRate) {
		sooner(it.Entity.GetExchangeRate().EffectiveFromUs)
	}
	return next
}
