package call_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events/call"
)

// TestLimitedVendors: where a vendor has limits the book is asked before he is tried,
// and told when he is left; what it passes over is not tried.
func TestLimitedVendors(t *testing.T) {
	advanced := func(to int) func(*call.Machine) []call.Effect {
		return func(m *call.Machine) []call.Effect { return m.Advanced(at(2), to) }
	}
	begin := step{func(m *call.Machine) []call.Effect { return m.Start(at(0), 0) }, "invite 1; set pdd 8s; set ring 1m0s"}
	asks := step{fail(1, 1, 503), "clear pdd; clear ring; ask for candidate 1"}
	over := "reject 503; release no_vendor_took_it; record end 0 503 no_vendor_took_it last"
	for _, c := range []struct {
		name    string
		limited []int
		steps   []step
	}{
		{"the next one", []int{1}, []step{begin, asks,
			{advanced(1), "record end 1 503 rejected; invite 2; set pdd 8s; set ring 1m0s"},
			{advanced(2), ""}, // the answer again
			{fail(3, 2, 500), "clear pdd; clear ring; ask for candidate 2"},
		}},
		{"the one before", []int{0}, []step{begin, asks, {advanced(1), "record end 1 503 rejected; invite 2; set pdd 8s; set ring 1m0s"},
			{fail(3, 2, 500), "clear pdd; clear ring; record end 2 500 rejected; invite 3; set pdd 8s; set ring 1m0s"}}},
		{"one is passed over", []int{1}, []step{begin, asks, {advanced(2), "record end 1 503 rejected; invite 3; set pdd 8s; set ring 1m0s"},
			{fail(3, 3, 500), "clear pdd; clear ring; record end 3 500 rejected last; reject 500; release no_vendor_took_it; record end 0 500 no_vendor_took_it last"}}},
		{"nobody is left", []int{1, 2}, []step{begin, asks, {advanced(3), "record end 1 503 rejected last; " + over}}},
		{"the first ones are passed over", []int{0, 1}, []step{
			{func(m *call.Machine) []call.Effect { return m.Start(at(0), 2) }, "invite 3; set pdd 8s; set ring 1m0s"}}},
		{"the book is silent", []int{1}, []step{begin, asks,
			{func(m *call.Machine) []call.Effect { return m.NotAdvanced(at(2)) },
				"record end 1 503 rejected last; reject 503; release book_unavailable; record end 0 503 book_unavailable last"},
			{advanced(1), ""},
		}},
		{"the caller gives up meanwhile", []int{1}, []step{begin, asks,
			{func(m *call.Machine) []call.Effect { return m.Cancel(at(2), 0) },
				"clear pdd; clear ring; record end 1 503 rejected last; reject 487; release cancelled; record end 0 487 cancelled last"},
			{advanced(1), ""},
			{func(m *call.Machine) []call.Effect { return m.NotAdvanced(at(2)) }, ""},
		}},
		{"the vendor answers after all", []int{1}, []step{begin,
			{func(m *call.Machine) []call.Effect { return m.Expired(at(8), call.TimerRing) }, "cancel 1; clear pdd; clear ring; ask for candidate 1"},
			{func(m *call.Machine) []call.Effect { return m.Answer(at(8), 1) }, "bye 1"},
			{advanced(1), "record end 1 408 timeout; invite 2; set pdd 8s; set ring 1m0s"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := machine(3, 60e9, c.limited...)
			for i, s := range c.steps {
				if diff := cmp.Diff(s.want, words(s.do(m))); diff != "" {
					t.Fatalf("step %d:\n%s", i+1, diff)
				}
			}
		})
	}
}
