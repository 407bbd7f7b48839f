package state_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// TestAuditorRefuses changes one event of an honest history at a time.
func TestAuditorRefuses(t *testing.T) {
	honest := func(t *testing.T) *book {
		pack, packed := account("pack", 0), account("packed", 0)
		pack.Currency, packed.Package = "SEC", "pack"
		b := start(t, account("a", 0), account("b", 0), pack, packed)
		b.must(crediting("a", 1_000_000))
		b.must(b.placing(1, "a", 60_000))
		b.must(extending(1, 60_000))
		b.must(charging(1, 90_000))
		b.must(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_TRANSFER, Account: "a", ToAccount: "b", AmountMicro: 500}))
		b.must(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_REVERSAL, Reverses: uint64(b.st.Position)}))
		b.must(b.placing(2, "a", 60_000))
		b.must(claiming(2, "n2"))
		released := releasing(2)
		released.Node = "n2"
		b.must(released)
		b.must(crediting("pack", 90_000_000))
		b.must(crediting("packed", 500_000))
		call := b.placing(3, "packed", 60_000)
		call.GetPlaceHold().Lines[0].Package = "pack"
		b.must(call)
		b.must(extending(3, 60_000))
		b.must(charging(3, 70_000))
		return b
	}
	check := func(b *book, evs []*wire.Event) error {
		a := state.NewAuditor()
		for i, e := range evs {
			at := int64(noon)
			if i < len(b.log) {
				at = b.log[i].at
			}
			if err := a.Check(at, e); err != nil {
				return err
			}
		}
		return a.Finish()
	}
	find := func(evs []*wire.Event, is func(*wire.Event) bool) int {
		for i, e := range evs {
			if is(e) {
				return i
			}
		}
		t.Fatal("no such event")
		return 0
	}
	isCharge := func(e *wire.Event) bool { return e.GetCallCharged() != nil }
	isHold := func(e *wire.Event) bool { return e.GetHoldPlaced() != nil }
	isExtension := func(e *wire.Event) bool { return e.GetHoldExtended() != nil }
	isExtensionOfPackage := func(e *wire.Event) bool { return len(e.GetHoldExtended().GetPackageMicro()) > 0 }
	seconds := func(ps []*wire.Posting) bool {
		return slices.ContainsFunc(ps, func(p *wire.Posting) bool { return p.Account == "pack" })
	}
	isTransfer := func(e *wire.Event) bool {
		return e.GetMoneyPosted().GetKind() == wire.PostingKind_POSTING_KIND_TRANSFER
	}
	isReversal := func(e *wire.Event) bool {
		return e.GetMoneyPosted().GetKind() == wire.PostingKind_POSTING_KIND_REVERSAL
	}
	shift := func(ps []*wire.Posting, by int64) { // stays balanced
		ps[0].AmountMicro -= by
		ps[len(ps)-1].AmountMicro += by
	}
	for _, c := range []struct {
		name   string
		tamper func([]*wire.Event) []*wire.Event
		want   string // "" for none
	}{
		{"nothing", func(evs []*wire.Event) []*wire.Event { return evs }, ""},
		{"unbalanced charge", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isCharge)].GetCallCharged().Postings[0].AmountMicro++
			return evs
		}, "is not what its hold's terms give"},
		{"dearer charge", func(evs []*wire.Event) []*wire.Event {
			ps := evs[find(evs, isCharge)].GetCallCharged().Postings
			ps[0].AmountMicro--
			ps[1].AmountMicro++
			return evs
		}, "is not what its hold's terms give"},
		{"longer call", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isCharge)].GetCallCharged().RawMs += 1000
			return evs
		}, "is not what its hold's terms give"},
		{"other vendor's price", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isCharge)].GetCallCharged().Candidate = 1
			return evs
		}, "is not what its hold's terms give"},
		{"vendor that was no candidate", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isCharge)].GetCallCharged().Candidate = 7
			return evs
		}, "candidate"},
		{"charge without a hold", func(evs []*wire.Event) []*wire.Event {
			at := find(evs, isHold)
			return append(evs[:at:at], evs[at+2:]...) // with its extension
		}, "no open hold"},
		{"charge twice", func(evs []*wire.Event) []*wire.Event {
			return append(evs, proto.CloneOf(evs[find(evs, isCharge)]))
		}, "no open hold"},
		{"hold of a closed call", func(evs []*wire.Event) []*wire.Event {
			return append(evs, proto.CloneOf(evs[find(evs, isHold)]))
		}, "is closed"},
		{"hold for nothing", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isHold)].GetHoldPlaced().Lines[0].AmountMicro = 0
			return evs
		}, "which cost 0.060000"},
		{"more time than is paid", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isExtension)].GetHoldExtended().PaidMs = 3_600_000
			return evs
		}, "for 3600000 ms"},
		{"unbalanced transfer", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isTransfer)].GetMoneyPosted().Postings[0].AmountMicro++
			return evs
		}, "sum to"},
		{"transfer of more than there is", func(evs []*wire.Event) []*wire.Event {
			shift(evs[find(evs, isTransfer)].GetMoneyPosted().Postings, 10_000_000)
			return evs
		}, "leaves account a with"},
		{"reversal of another amount", func(evs []*wire.Event) []*wire.Event {
			shift(evs[find(evs, isReversal)].GetMoneyPosted().Postings, 1)
			return evs
		}, "reversal"},
		{"reversal of nothing", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isReversal)].GetMoneyPosted().Reverses = 1
			return evs
		}, "nothing to reverse"},
		{"reversal twice", func(evs []*wire.Event) []*wire.Event {
			return append(evs, proto.CloneOf(evs[find(evs, isReversal)]))
		}, "nothing to reverse"},
		{"without the payment", func(evs []*wire.Event) []*wire.Event {
			at := find(evs, func(e *wire.Event) bool { return e.GetMoneyPosted() != nil })
			return append(evs[:at:at], evs[at+1:]...)
		}, "leaves account a with"},
		{"extension of fewer lines", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isExtension)].GetHoldExtended().AmountsMicro = nil
			return evs
		}, "0 amounts for 1 lines"},
		{"seconds that the package has not", func(evs []*wire.Event) []*wire.Event {
			at := find(evs, func(e *wire.Event) bool { return seconds(e.GetMoneyPosted().GetPostings()) })
			return append(evs[:at:at], evs[at+1:]...)
		}, "leaves package pack with -60.000000 s"},
		{"more seconds in the extension", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isExtensionOfPackage)].GetHoldExtended().PackageMicro[0] = 91_000_000
			return evs
		}, "leaves package pack with -1.000000 s"},
		{"fewer seconds in the extension", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isExtensionOfPackage)].GetHoldExtended().PackageMicro[0] -= 1_000_000
			return evs
		}, "which cost 0.031000"},
		{"seconds for a longer call than is held", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isExtensionOfPackage)].GetHoldExtended().PackageMicro[0] = 121_000_000
			return evs
		}, "of which it needs 120"},
		{"the package pays less of the call", func(evs []*wire.Event) []*wire.Event {
			c := evs[find(evs, func(e *wire.Event) bool { return seconds(e.GetCallCharged().GetPostings()) })].GetCallCharged()
			c.Lines[0].PackageS--
			return evs
		}, "is not what its hold's terms give"},
		{"an emergency that the settings do not name", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isHold)].GetHoldPlaced().Emergency = "112"
			return evs
		}, "emergency call to 112"},
		{"call id of 3 bytes", func(evs []*wire.Event) []*wire.Event {
			evs[find(evs, isHold)].GetHoldPlaced().Call = []byte{1, 2, 3}
			return evs
		}, "16 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := honest(t)
			var evs []*wire.Event
			for _, r := range b.log {
				e, err := events.Unmarshal(r.data)
				if err != nil {
					t.Fatal(err)
				}
				evs = append(evs, e)
			}
			err := check(b, c.tamper(evs))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
