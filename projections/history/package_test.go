package history

import (
	"context"
	"testing"
)

// What a package paid and what was an emergency stand on the CDRs, and the hold shows
// what the last extension reserved, though that was less money than before.
func TestPackagesAndEmergencies(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	w := newWorld()
	plain := w.call(answeredPlan(noonUS, 2))
	p := answeredPlan(noonUS+hourUS, 1)
	p.extensions = 1
	id := w.call(p)
	for _, r := range w.book {
		if string(r.Event.GetHoldPlaced().GetCall()) == string(id[:]) {
			r.Event.GetHoldPlaced().Emergency, r.Event.GetHoldPlaced().Lines[0].Package = "112", "pack"
		}
		if x := r.Event.GetHoldExtended(); x != nil {
			x.AmountsMicro, x.PackageMicro = []int64{500}, []int64{30_000_000}
		}
		if c := r.Event.GetCallCharged(); string(c.GetCall()) == string(id[:]) {
			c.Lines[0].Package, c.Lines[0].PackageS = "pack", 30
		}
	}
	apply(t, s, append(w.book, w.log...))
	for _, row := range all(t, s, Filter{}) {
		ours := row.Call == id
		if row.Emergency != ours || (row.Package == "pack") != (ours && row.Leg == 0) || (row.PackageS == 30) != (ours && row.Leg == 0) {
			t.Errorf("%+v", row)
		}
	}
	call, err := s.Call(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	if h := call.Hold; h.Emergency != "112" || h.PaidMS != 120_000 || h.Lines[0].AmountMicro != 500 || h.Lines[0].PackageMicro != 30_000_000 || h.Lines[0].Package != "pack" {
		t.Errorf("%+v", h)
	}
	if l := call.Lines[0]; l.Package != "pack" || l.PackageS != 30 {
		t.Errorf("%+v", l)
	}
	if other, err := s.Call(context.Background(), plain); err != nil || other.Hold.Emergency != "" || other.Lines[0].PackageS != 0 {
		t.Errorf("%+v, %v", other, err)
	}
}
