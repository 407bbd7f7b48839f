package registrar

import "testing"

// A device that misses its questions in a row is forgotten, unless it answers one or
// registers again meanwhile.
func TestDeadDevices(t *testing.T) {
	r := newRegistrar(t, newShelf())
	k := &keeper{r: r, missed: map[string]int{}}
	register := func(cseq string) Binding {
		t.Helper()
		if code, _ := r.test(t, "anna", "Contact: <sip:anna@192.0.2.7:5061>", "Call-ID: a", "CSeq: "+cseq+" REGISTER"); code != 200 {
			t.Fatalf("registered with %d", code)
		}
		return r.Bindings("anna")[0]
	}
	misses := func(b Binding, n int) {
		for range n {
			k.judge("anna", b, false)
		}
	}
	first := register("1")
	misses(first, keepMissed-1)
	k.judge("anna", first, true)
	misses(first, keepMissed-1)
	if n := r.Registered("anna"); n != 1 {
		t.Errorf("%d devices after an answer between", n)
	}
	second := register("2")
	misses(first, 1)
	if n := r.Registered("anna"); n != 1 {
		t.Errorf("%d devices after it registered again", n)
	}
	misses(second, keepMissed)
	if n := r.Registered("anna"); n != 0 {
		t.Errorf("%d devices, though it does not answer", n)
	}
}
