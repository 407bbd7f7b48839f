package state_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// everything is a book with every kind of event that it decides, and every kind of
// entity, in it. When there is a new one, add it here, raise frozen, and run
// TestFreeze.
func everything(t tester) *book {
	pack := account("pack", 0)
	pack.Currency, pack.PackagePrefixes = "SEC", []string{"49"}
	a := packaged(account("a", 500_000))
	a.Alerts, a.OfflineCalls, a.OfflineMicro = &wire.AccountAlerts{LowMicro: proto.Int64(1_200_000), RearmMicro: 5}, 3, 1_000_000
	b := start(t, pack, a, account("b", 0))
	b.fold(&wire.Event{Body: &wire.Event_KeeperOpened{KeeperOpened: &wire.KeeperOpened{Node: "n1", Epoch: 1, FoldVersion: 1}}})
	b.configuration()
	b.must(crediting("pack", 30_000_000))
	b.must(crediting("a", 1_000_000)) // below the low threshold
	b.must(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_TRANSFER, Account: "a", ToAccount: "b", AmountMicro: 500}))
	b.must(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_REVERSAL, Reverses: uint64(b.st.Position)}))
	for kind := wire.PostingKind_POSTING_KIND_FORCED_DEBIT; kind <= wire.PostingKind_POSTING_KIND_ADJUSTMENT; kind++ {
		if kind != wire.PostingKind_POSTING_KIND_TRANSFER && kind != wire.PostingKind_POSTING_KIND_REVERSAL {
			b.must(posting(&wire.PostMoney{Kind: kind, Account: "b", AmountMicro: 70_000}))
		}
	}
	b.traffic()
	b.must(crediting("a", 5_000_000)) // and back above it
	b.must(rescuing(7, 9))
	b.must(&wire.Command{Body: &wire.Command_ChangeCatalog{ChangeCatalog: &wire.ChangeCatalog{Changes: []*wire.ExpectedChange{
		{Change: &wire.Change{Remove: true, Entity: putting(&wire.Token{Id: "k1"}).GetChangeCatalog().Changes[0].Change.Entity}},
	}}}})
	return b
}

func (b *book) configuration() {
	b.t.Helper()
	b.put(
		&wire.Settings{
			Id: "settings", BaseCurrency: "USD", HuntStopCodes: []uint32{404, 603}, Secrets: map[string][]byte{"x": {1}, "a": {2}},
			EmergencyNumbers: []string{"112"},
		},
		&wire.Company{Id: "co", Name: "Company", TimeZone: "Europe/Berlin", MutualLimits: []*wire.MutualLimit{{Currency: "USD", LimitMicro: 9_000_000}}},
		&wire.NumberList{Id: "list", Numbers: []string{"4930"}},
		&wire.OriginSet{Id: "set", CallerPrefixes: []string{"44"}},
		&wire.ExchangeRate{Id: "EUR-USD-1783000800000000", Base: "EUR", Quote: "USD", RateE12: 1_083_700_000_000, EffectiveFromUs: noon},
		&wire.DeckMapping{Id: "map", Columns: map[string]string{"code": "prefix", "price": "price"}},
		&wire.Terminator{Id: "t1", Company: "co", Account: "vendor", BuyDeck: "buy", Host: "192.0.2.1"},
		&wire.RoutePlan{Id: "plan"},
		&wire.Route{Id: "plan/49/t1", Plan: "plan", Prefix: "49", Terminator: "t1"},
		&wire.Originator{
			Id: "o1", Company: "co", Account: "a", SellDeck: "sell", RoutePlan: "plan", Networks: []string{"192.0.2.0/24"},
			PrefixLimits: []*wire.PrefixLimit{{Prefix: "49", Channels: 20}},
		},
		&wire.Subscriber{Id: "anna", Company: "co", Account: "a", SellDeck: "sell"},
		&wire.Did{Number: "4930", Company: "co", Subscriber: "anna", Account: "b", SellDeck: "sell"},
		&wire.Registration{Id: "reg", Originator: "o1", Registrar: "sip.example.com", User: "anna"},
		&wire.GuardRule{Id: "guard", Measure: wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER, Action: wire.GuardAction_GUARD_ACTION_ALERT, WindowS: 600, Calls: 5},
		&wire.EvidenceRule{Id: "evidence", Originators: []string{"o1"}, PerMille: 10, Capture: wire.CapturePolicy_CAPTURE_POLICY_SIP},
		&wire.CdrProfile{
			Id: "cdrs", Company: "co", Account: "a", FromUs: noon, IntervalS: 900, OffsetS: 60, Format: wire.CdrFormat_CDR_FORMAT_PIPE,
			Columns: []string{"call", "leg"}, Url: "https://files.example.net/in", Secret: []byte{1},
		},
		&wire.CdrProgress{Id: "cdrs", Number: 1, Rows: make([]byte, 18), Count: 1, CutUs: noon},
		&wire.Webhook{Id: "erp", Company: "co", Kinds: []string{"call_charged"}, Url: "https://erp.example.net/in", Secret: []byte{1}},
		&wire.WebhookProgress{Id: "erp", Position: 1, AtUs: noon, FailingSinceUs: noon, Paused: true, Reason: "gone"},
		&wire.Job{
			Id: "0195a5f4-7c00-7000-8000-000000000001", Actor: "user:u1", Company: "co", CreatedUs: noon, List: "cdrs",
			Parameters: map[string]string{"zone": "Europe/Riga", "called": "49"}, State: wire.JobState_JOB_STATE_DONE, Node: "n1", Begun: 1, Rows: 7,
			BeganUs: noon, EndedUs: noon, File: "n1/2026/01/01/x.csv", Size: 70, Sha256: make([]byte, 32),
		},
		&wire.User{Id: "u1", Role: wire.Role_ROLE_ADMIN, Password: "$argon2id$x"},
		&wire.Token{Id: "k1", Role: wire.Role_ROLE_NOC, Hash: make([]byte, 32)},
	)
}

// traffic are calls of all fates.
func (b *book) traffic() {
	b.t.Helper()
	for n := 1; n <= 6; n++ {
		c := b.placing(n, "a", 60_000)
		p := c.GetPlaceHold()
		p.Lines[0].Originator, p.Route[0].Terminator, p.Lines[0].LimitPrefixes = "o1", "t1", []string{"49"}
		switch n {
		case 2:
			p.Lines[0].Package = "pack"
		case 5:
			p.Lines[0].Sell.AttemptFeeMicro = 100
		case 6:
			p.Emergency = "112"
		}
		b.must(c)
		b.now += 1_000_000
	}
	b.must(advancing(6, 1))
	b.must(extending(1, 60_000))
	b.must(charging(1, 90_000))
	b.must(charging(1, 91_000))
	b.must(charging(2, 61_000))
	b.must(releasing(3))
	b.must(claiming(4, "n2"))
	b.must(&wire.Command{Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{Call: callID(5), Attempts: 2, Unanswered: true, EndedAtUs: b.now, SipCode: 480}}})
	b.must(&wire.Command{Body: &wire.Command_ClosePeriod{ClosePeriod: &wire.ClosePeriod{Account: "b", ToUs: noon}}})
	b.must(writingUp(wentOffline(1, "b", 30_000), goesOn(2, "a")))
}

// observed adds every kind of event that nodes write into their own logs, with
// something in every field.
func (b *book) observed() {
	seen := map[string]bool{}
	for _, r := range b.log {
		e, err := events.Unmarshal(r.data)
		if err != nil {
			b.t.Fatalf("%v", err)
		}
		seen[kindOf(e)] = true
	}
	e := (&wire.Event{}).ProtoReflect()
	bodies := e.Descriptor().Oneofs().Get(0).Fields()
	for i := range bodies.Len() {
		if body := bodies.Get(i); !seen[string(body.Name())] {
			fresh := &wire.Event{Id: make([]byte, 16), Schema: 1, EffectiveAtUs: noon, Actor: "node:n1", Correlation: callID(1)}
			fill(fresh.ProtoReflect().Mutable(body).Message(), 0)
			b.fold(fresh)
		}
	}
}

// fill puts something into each field of a message.
func fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.IsMap() || depth > 3 || f.ContainingOneof() != nil && !f.HasOptionalKeyword():
		case f.IsList() && f.Message() != nil:
			fill(m.Mutable(f).List().AppendMutable().Message(), depth+1)
		case f.IsList():
			m.Mutable(f).List().Append(scalar(f))
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), depth+1)
		default:
			m.Set(f, scalar(f))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(callID(int(f.Number())))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(string(f.Name()))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(f.Number()))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(f.Number()))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(f.Number()))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(f.Number()))
	default:
		panic("no event has a field of kind " + f.Kind().String())
	}
}

// TestEveryKindIsFrozen: what the schema can say stands in a log that is folded for
// ever. A new kind of event or entity needs the next one.
func TestEveryKindIsFrozen(t *testing.T) {
	missing := map[protoreflect.FullName]bool{}
	for _, m := range []proto.Message{&wire.Event{}, &wire.Entity{}} {
		kinds := m.ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
		for i := range kinds.Len() {
			missing[kinds.Get(i).FullName()] = true
		}
	}
	names, err := filepath.Glob("testdata/version/*.log")
	if err != nil || !slices.Contains(names, fmt.Sprintf("testdata/version/%d.log", frozen)) {
		t.Fatal(names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			head, tail, _ := strings.Cut(strings.TrimSpace(line), " ")
			raw, err := hex.DecodeString(tail)
			if head == "snapshot" || head == "hash" || err != nil {
				continue
			}
			e, err := events.Unmarshal(raw)
			if err != nil {
				t.Fatal(err)
			}
			m := e.ProtoReflect()
			delete(missing, m.WhichOneof(m.Descriptor().Oneofs().Get(0)).FullName())
			for _, c := range e.GetChangeSetAccepted().GetChanges() {
				m := c.Entity.ProtoReflect()
				delete(missing, m.WhichOneof(m.Descriptor().Oneofs().Get(0)).FullName())
			}
		}
	}
	for name := range missing {
		t.Errorf("%s is in no frozen log: put it into everything, raise frozen and run TestFreeze", name)
	}
}
