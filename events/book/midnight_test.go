package book_test

import (
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

func TestPeriodsEndAtMidnight(t *testing.T) {
	k, _ := keep(t, memory(), "n1")
	world(t, k, 1000)
	zone := func(name string) {
		must(t, k, "zone "+name, &wire.Command{Body: &wire.Command_ChangeCatalog{ChangeCatalog: &wire.ChangeCatalog{Changes: []*wire.ExpectedChange{
			{Change: &wire.Change{Entity: catalog.EntityOf(&wire.Company{Id: "co", TimeZone: name})}},
		}}}})
	}
	ending := func(at string) *wire.Command {
		to, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		return &wire.Command{Body: &wire.Command_ClosePeriod{ClosePeriod: &wire.ClosePeriod{Account: "a", ToUs: to.UnixMicro()}}}
	}
	for _, c := range []struct {
		zone, to string
		want     events.Code
	}{
		{"UTC", "2025-10-26T12:00:00Z", events.CodeInvalid},
		{"UTC", "2025-10-26T00:00:00.000001Z", events.CodeInvalid},
		{"Europe/Berlin", "2025-10-26T00:00:00Z", events.CodeInvalid},
		{"Europe/Berlin", "2025-10-25T22:00:00Z", ""},
		{"Europe/Berlin", "2025-10-26T22:00:00Z", events.CodeInvalid}, // that day has 25 hours
		{"Europe/Berlin", "2025-10-26T23:00:00Z", ""},
		{"Nowhere/Land", "2025-10-27T23:00:00Z", events.CodeInvalid},
	} {
		zone(c.zone)
		_, err := ask(t.Context(), k, c.zone+c.to, ending(c.to))
		if events.CodeOf(err) != c.want {
			t.Errorf("%s %s: %v", c.zone, c.to, err)
		}
	}
	// The same request again is answered as the first time, whatever the zone is now.
	if reply, err := ask(t.Context(), k, "Europe/Berlin2025-10-26T23:00:00Z", ending("2025-10-26T23:00:00Z")); err != nil || !reply.Repeated {
		t.Error(reply, err)
	}
	if _, err := ask(t.Context(), k, "nobody", &wire.Command{Body: &wire.Command_ClosePeriod{ClosePeriod: &wire.ClosePeriod{Account: "who", ToUs: 1}}}); events.CodeOf(err) != events.CodeNotFound {
		t.Error(err)
	}
}
