package events_test

import (
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestDayStart(t *testing.T) {
	for _, c := range []struct {
		zone  string
		month time.Month
		day   int
		year  int
		want  string
		hours float64
	}{
		{"UTC", 3, 29, 2026, "2026-03-29T00:00:00Z", 24},
		{"Europe/Berlin", 3, 29, 2026, "2026-03-28T23:00:00Z", 23},
		{"Europe/Berlin", 10, 25, 2026, "2026-10-24T22:00:00Z", 25},
		{"America/New_York", 3, 8, 2026, "2026-03-08T05:00:00Z", 23},
		{"America/New_York", 11, 1, 2026, "2026-11-01T04:00:00Z", 25},
		{"Asia/Beirut", 3, 29, 2026, "2026-03-28T22:00:00Z", 23},          // there is no midnight
		{"America/Sao_Paulo", 11, 4, 2018, "2018-11-04T03:00:00Z", 23},    // nor here
		{"America/Sao_Paulo", 2, 17, 2018, "2018-02-17T02:00:00Z", 25},    // 23 o'clock comes twice
		{"Australia/Lord_Howe", 4, 5, 2026, "2026-04-04T13:00:00Z", 24.5}, // half an hour
		{"Asia/Kolkata", 1, 1, 2026, "2025-12-31T18:30:00Z", 24},
	} {
		z := zone(t, c.zone)
		from, to := events.DayStart(c.year, c.month, c.day, z), events.DayStart(c.year, c.month, c.day+1, z)
		if got := from.Format(time.RFC3339); got != c.want || to.Sub(from).Hours() != c.hours {
			t.Errorf("%s %d-%d: %s and %v, want %s and %v hours", c.zone, c.month, c.day, got, to.Sub(from), c.want, c.hours)
		}
	}
}
