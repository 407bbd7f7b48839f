package b2bua

import (
	"slices"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/wire"
)

// TestTransfers plays calls that one of their parties sends on.
func TestTransfers(t *testing.T) {
	engine := media(t)
	may := from(&wire.SipPolicy{Transfers: true})
	talks := func(d time.Duration) vendorPlan {
		return vendorPlan{code: 200, after: time.Second, talk: d, rings: []ring{{180, false, false}}}
	}
	refer := []change{{2 * time.Second, "refer"}}
	first := vendorAddrs[0].String()
	for _, c := range []struct {
		name     string
		plan     plan
		referred []int
		told     []string
		calls    int // that were answered
		look     func(t *testing.T, r *rig)
	}{
		{"with the sender waiting", plan{edit: may, refer: "4421", changes: refer, vendors: vendors(talks(10 * time.Second))}, []int{202},
			[]string{"SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"}, 2, func(t *testing.T, r *rig) {
				r.passes(t, callerAddr.String(), "BYE ", 1)
				r.passes(t, first, "INVITE sip:4421@", 1)
				r.passes(t, first, "2 INVITE", 1) // who stays hears of it
			}},
		{"with the sender gone", plan{edit: may, refer: "4421", leaves: true, changes: refer, vendors: vendors(talks(10 * time.Second))}, []int{202}, nil, 2,
			func(t *testing.T, r *rig) { r.passes(t, callerAddr.String(), "BYE ", 0) }},
		{"off hold", plan{edit: may, refer: "4421", changes: []change{{time.Second, "hold"}, refer[0]}, vendors: vendors(talks(10 * time.Second))}, []int{202}, nil, 2,
			func(t *testing.T, r *rig) {
				for _, l := range r.vendors[0].calls {
					if l.mine != "sendrecv" || l.theirs != "sendrecv" {
						t.Errorf("%s is in a session of %s and %s", l.id, l.mine, l.theirs)
					}
				}
			}},
		{"to nowhere", plan{edit: may, refer: "999", changes: refer, talk: 8 * time.Second, vendors: vendors(talks(0))}, []int{202},
			[]string{"SIP/2.0 100 Trying", "SIP/2.0 404 Not Found"}, 1, func(t *testing.T, r *rig) {
				if raw := r.diary.ends()[1][0].RawMs; raw < 7900 {
					t.Errorf("%d ms of talk", raw)
				}
			}},
		{"to nowhere, with the sender gone", plan{edit: may, refer: "999", leaves: true, changes: refer, vendors: vendors(talks(0))}, []int{202}, nil, 1,
			func(t *testing.T, r *rig) { r.passes(t, first, "BYE ", 1) }},
		{"not by who may not", plan{refer: "4421", changes: refer, talk: 8 * time.Second, vendors: vendors(talks(0))}, []int{405}, nil, 1, nil},
		{"not to nothing", plan{edit: may, refer: "", changes: refer, talk: 8 * time.Second, vendors: vendors(talks(0))}, []int{400}, nil, 1, nil},
		{"not by who would not pay", plan{edit: towards(&wire.SipPolicy{Transfers: true}), refer: "4421", talk: 8 * time.Second,
			vendors: vendors(vendorPlan{code: 200, after: time.Second, changes: refer})}, []int{403}, nil, 1, nil},
		{"twice at once", plan{edit: may, refer: "4421", changes: append(refer, change{2100 * time.Millisecond, "refer"}), vendors: vendors(talks(10 * time.Second))},
			[]int{202, 491}, nil, 2, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, engine, 7, faults{}, &c.plan, func(r *rig) {
				answered := 0
				for _, e := range r.diary.ends()[0] {
					if e.Priced {
						answered++
					}
				}
				if !slices.Equal(r.referred, c.referred) || c.told != nil && !slices.Equal(r.told, c.told) || answered != c.calls {
					t.Errorf("REFER is answered %v, then %q; %d calls; want %v, %q, %d", r.referred, r.told, answered, c.referred, c.told, c.calls)
				}
				if c.look != nil {
					c.look(t, r)
				}
			})
		})
	}
}
