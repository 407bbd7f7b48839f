package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/projections/guard"
	"github.com/tollbook/tollbook/projections/history"
)

// fakeSwitch is a switch in memory: the real book's rules and the real history,
// without journals, cluster and SIP.
type fakeSwitch struct {
	t       testing.TB
	mu      sync.Mutex
	state   *state.State
	history *history.Store
	blobs   map[[32]byte][]byte
	log     uint64
	live    []resolve.LiveCall
	traffic resolve.Traffic
	hungUp  []events.CallID
	steered []string
	now     func() time.Time
	serial  uint32
	files   shelf
	book    []bookEvent
	drained bool
	moved   uint32
	down    map[string]bool // terminators that are pinged
	guard   *guard.View
	deaf    bool // other nodes do not answer

	bindings map[string][]resolve.Binding
	bans     []resolve.Ban
}

// bookEvent is an event of the book and when it was recorded.
type bookEvent struct {
	us    int64
	event *wire.Event
}

func newSwitch(t testing.TB, now func() time.Time) *fakeSwitch {
	t.Helper()
	store, err := history.Open(t.TempDir(), history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &fakeSwitch{t: t, state: state.New(), history: store, blobs: map[[32]byte][]byte{}, now: now,
		guard: guard.New("n1", slog.New(slog.DiscardHandler), guard.Usual())}
}

func (s *fakeSwitch) Execute(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	return s.executeAt(ctx, s.now(), cmd)
}

func (s *fakeSwitch) executeAt(ctx context.Context, at time.Time, cmd *wire.Command) (*wire.Reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	us := max(at.UnixMicro(), s.state.TimeUS+1)
	decided, reply := s.state.Decide(us, nil, cmd)
	for _, e := range decided {
		if err := s.state.Evolve(us, e); err != nil {
			return nil, err
		}
		s.book = append(s.book, bookEvent{us, e})
		r := events.Recorded{Journal: "book", Sequence: uint64(s.state.Position), Position: uint64(s.state.Position), TimeUS: us, Event: e}
		s.guard.Apply(r)
		err := s.history.Apply(ctx, []events.Recorded{r}, nil)
		if err != nil {
			return nil, err
		}
	}
	reply.Position = uint64(s.state.Position)
	return reply, events.FromRefusal(reply.Error)
}

// WorldAt knows only the present.
func (s *fakeSwitch) WorldAt(context.Context, events.Position, time.Time) (*routing.World, time.Time, error) {
	return s.world(), s.now(), nil
}

func (s *fakeSwitch) Quality(string, string, uint32, int64) routing.Quality {
	return routing.Quality{Attempts: 100, Answered: 50}
}

func (s *fakeSwitch) TerminatorState(id string) (resolve.TerminatorState, bool) {
	down, pinged := s.down[id]
	return resolve.TerminatorState{Up: !down, Since: s.now(), Reason: "no answer", Address: "udp 192.0.2.1:5060"}, pinged
}

func (s *fakeSwitch) RegistrationState(id string) (resolve.RegistrationState, bool) {
	return resolve.RegistrationState{Registered: true, Since: s.now(), Reason: "200 OK", Contact: "sip:x@192.0.2.1"}, id == "home"
}

func (s *fakeSwitch) Guarded(r *routing.Request, sell *wire.Terms) string {
	return s.guard.Preview(guard.Of(r, sell)).Rule
}

func (s *fakeSwitch) GuardTrips() []guard.Trip { return s.guard.Trips(s.now().UnixMicro()) }

func (s *fakeSwitch) GuardFull() []string { return []string{"counters"} }

func (s *fakeSwitch) LiftGuard(_ context.Context, trip string, until time.Time, actor, note string) error {
	untilUS := int64(0)
	if !until.IsZero() {
		untilUS = until.UnixMicro()
	}
	lifted, err := s.guard.Lift(trip, untilUS, s.now().UnixMicro(), note)
	if err == nil {
		s.observe("log.calls.n1", s.now(), &wire.Event{Actor: actor, Body: &wire.Event_GuardLifted{GuardLifted: lifted}})
	}
	return err
}

// observe records events in a log.
func (s *fakeSwitch) observe(journal string, at time.Time, e *wire.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log++
	e.Schema, e.EffectiveAtUs = 1, at.UnixMicro()
	e.Id = events.EventID([]byte(journal), int(s.log))
	r := events.Recorded{Journal: journal, Sequence: s.log, Position: s.log, TimeUS: at.UnixMicro(), Event: e}
	s.guard.Apply(r)
	err := s.history.Apply(context.Background(), []events.Recorded{r}, nil)
	if err != nil {
		s.t.Error(err)
	}
}

func (s *fakeSwitch) Catalog() *catalog.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Catalog
}

func (s *fakeSwitch) Ledger(account string) ledger.Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Ledger.Balance(account)
}

func (s *fakeSwitch) LedgerSums() map[money.Currency]money.Amount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Ledger.Sums()
}

func (s *fakeSwitch) Alerts() []*wire.AlertRaised {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Ledger.Alerts()
}

func (s *fakeSwitch) PositionAt(_ context.Context, at time.Time) (events.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last events.Position
	for i, e := range s.book {
		if e.us <= at.UnixMicro() {
			last = events.Position(i + 1)
		}
	}
	return last, nil
}

func (s *fakeSwitch) StateAt(_ context.Context, position events.Position) (*state.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := state.New()
	for _, e := range s.book[:min(int(position), len(s.book))] {
		if err := st.Evolve(e.us, e.event); err != nil {
			return nil, err
		}
	}
	return st, nil
}

func (s *fakeSwitch) Told(_ context.Context, after events.Position, most int) ([]events.Recorded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []events.Recorded
	for i := int(after); i < min(len(s.book), int(after)+most); i++ {
		out = append(out, events.Recorded{Journal: "book", Position: uint64(i + 1), TimeUS: s.book[i].us, Event: s.book[i].event})
	}
	return out, nil
}

func (s *fakeSwitch) Proof(_ context.Context, position events.Position) ([]byte, error) {
	return fmt.Appendf(nil, "proof of %d", position), nil
}

func (s *fakeSwitch) AsOf() (events.Position, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Position, 3 * time.Millisecond
}

func (s *fakeSwitch) Await(_ context.Context, p events.Position) error {
	if at, _ := s.AsOf(); at < p {
		return events.Refuse(events.CodeUnavailable, "this node has read to position %d, not yet to %d", at, p)
	}
	return nil
}

func (s *fakeSwitch) DeckRows(_ context.Context, v *wire.DeckVersion) ([]rating.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.blobs[[32]byte(v.Digest)]
	if !ok {
		return nil, fmt.Errorf("no blob %s", hex.EncodeToString(v.Digest))
	}
	return rating.ParseCSV(data)
}

func (s *fakeSwitch) StoreBlob(_ context.Context, digest [32]byte, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[digest] = data
	return nil
}

func (s *fakeSwitch) ApplyWorld(_ context.Context, edit resolve.WorldEdit) (resolve.WorldChange, error) {
	before := catalog.EntityOf(s.Catalog().Originator("acme-1"))
	after := catalog.EntityOf(&wire.Originator{Id: "acme-1", Company: "acme", Channels: 7})
	if edit.YAML == "bad" {
		return resolve.WorldChange{}, events.Invalid("line 1: unknown field").At("input.yaml")
	}
	return resolve.WorldChange{Differences: []resolve.Difference{
		{Ref: catalog.RefOf(before), Before: before, After: after},
		{Ref: catalog.Ref{Kind: catalog.KindRoutePlan, ID: "new"}, After: catalog.EntityOf(&wire.RoutePlan{Id: "new"})},
	}}, nil
}

// Wrap hides nothing: it names what it was asked for.
func (s *fakeSwitch) Wrap(of catalog.Ref, secret []byte) ([]byte, error) {
	return fmt.Appendf(nil, "wrapped for %s: %s", of, secret), nil
}

func (s *fakeSwitch) LiveCalls() []resolve.LiveCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// LiveMedia is that of every running call: a good leg and a bad one.
func (s *fakeSwitch) LiveMedia(_ context.Context, call events.CallID) (*wire.CallMedia, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaf {
		return nil, events.Refuse(events.CodeUnavailable, "node n2 does not answer")
	}
	if !slices.ContainsFunc(s.live, func(c resolve.LiveCall) bool { return c.Call == call }) {
		return nil, events.NotFound("no such call")
	}
	return &wire.CallMedia{
		A: &wire.MediaQuality{Packets: 500, MosCenti: 438, Codec: "PCMA", Srtp: "AEAD_AES_128_GCM"},
		B: measured,
	}, nil
}

// measured is a leg of which everything is known.
var measured = &wire.MediaQuality{
	Packets: 1000, Bytes: 172_000, Lost: 50, Duplicates: 3, Reordered: 4, JitterUs: 2500, MosCenti: 301, Rejected: 21, Codec: "PCMA",
	MeanJitterUs: 1500, MaxJitterUs: 9000, Gaps: 40, LongestSilenceMs: 320, RttUs: 80_000, MaxRttUs: 90_000,
	Reported: &wire.ReportedQuality{Reports: 4, Lost: 7, JitterUs: 1250, MaxJitterUs: 2000, MosCenti: 412, Discarded_256: 64},
	Dropped:  &wire.DroppedPackets{Source: 6, Malformed: 5, NoPeer: 4, Send: 3, Auth: 2, Replay: 1},
}

func (s *fakeSwitch) Traffic() resolve.Traffic {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.traffic
}

func (s *fakeSwitch) HangUp(_ context.Context, call events.CallID, _, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.live {
		if c.Call == call {
			s.live = append(s.live[:i:i], s.live[i+1:]...)
			s.hungUp = append(s.hungUp, call)
			return nil
		}
	}
	return events.NotFound("call %s does not run", call)
}

// SteerRecording pauses what runs, and refuses the rest.
func (s *fakeSwitch) SteerRecording(_ context.Context, call events.CallID, action wire.RecordingAction, actor, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.live {
		if c.Call == call && action != wire.RecordingAction_RECORDING_ACTION_START {
			s.live[i].Recording = resolve.RecordingPaused
			s.steered = append(s.steered, action.String()+" "+actor+" "+reason)
			return nil
		}
	}
	return events.Refuse(events.CodeConflict, "call %s is not recorded", call)
}

// put stores entities, all at once.
func (s *fakeSwitch) put(at time.Time, note string, entities ...any) {
	s.t.Helper()
	set := &wire.ChangeCatalog{Note: note}
	for _, m := range entities {
		set.Changes = append(set.Changes, &wire.ExpectedChange{Change: &wire.Change{Entity: catalog.EntityOf(m)}})
	}
	s.must(at, &wire.Command{Actor: "user:root", Body: &wire.Command_ChangeCatalog{ChangeCatalog: set}})
}

// must executes a command with a key of its own.
func (s *fakeSwitch) must(at time.Time, cmd *wire.Command) *wire.Reply {
	s.t.Helper()
	s.serial++
	key := events.KeyOf("test", fmt.Sprint(s.serial))
	cmd.Key, cmd.Node = key[:], "n1"
	if cmd.Actor == "" {
		cmd.Actor = "node:n1"
	}
	reply, err := s.executeAt(context.Background(), at, cmd)
	if err != nil {
		s.t.Fatalf("%v: %v", cmd, err)
	}
	return reply
}

// deck gives a deck its first version.
func (s *fakeSwitch) deck(at time.Time, d *wire.Deck, csv string) {
	s.t.Helper()
	rows, err := rating.ParseCSV([]byte(csv))
	if err != nil {
		s.t.Fatal(err)
	}
	data := rating.Canonical(rows)
	digest := sha256.Sum256(data)
	s.blobs[digest] = data
	s.put(at, "deck "+d.Id, d, &wire.DeckVersion{
		Id: catalog.VersionID(d.Id, 1), Deck: d.Id, Number: 1, Digest: digest[:], Rows: uint32(len(rows)),
		EffectiveFromUs: at.UnixMicro(), Source: d.Id + ".csv",
	})
}

// world compiles the routes as they are now.
func (s *fakeSwitch) world() *routing.World {
	s.t.Helper()
	cat := s.Catalog()
	tables := map[string]*rating.Table{}
	for _, it := range cat.List(catalog.KindDeck) {
		d := it.Entity.GetDeck()
		v := cat.VersionAt(d.Id, s.now().UnixMicro())
		if v == nil {
			continue
		}
		rows, err := s.DeckRows(context.Background(), v)
		if err != nil {
			s.t.Fatal(err)
		}
		tables[d.Id] = rating.NewTable(d, v, rows)
	}
	return routing.Compile(cat, tables)
}

func (s *fakeSwitch) Bindings(subscriber string) []resolve.Binding { return s.bindings[subscriber] }

func (s *fakeSwitch) Bans() []resolve.Ban { return s.bans }

func (s *fakeSwitch) LiftBan(addr netip.Addr, _ string) bool {
	n := len(s.bans)
	s.bans = slices.DeleteFunc(s.bans, func(b resolve.Ban) bool { return b.Addr == addr })
	return len(s.bans) < n
}
