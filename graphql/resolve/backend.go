package resolve

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// Backend is the switch as the API needs it. The methods may be called from many
// goroutines.
type Backend interface {
	Router
	Signalling
	Guard
	Standing
	Files
	Feed

	// Execute asks the keeper for a decision and waits until it is committed. A
	// refusal comes as a domain error, or in the reply.
	Execute(ctx context.Context, cmd *wire.Command) (*wire.Reply, error)

	// Catalog is the newest catalog that this node has read; it never changes.
	Catalog() *catalog.State
	// Ledger is what the book knows of an account, all zero for one that nothing
	// was posted to.
	Ledger(account string) ledger.Account
	// LedgerSums adds up all accounts by currency: in a whole ledger each is zero.
	LedgerSums() map[money.Currency]money.Amount

	// AsOf is the position of the book that all of this node's views include, and
	// how far that is behind the book.
	AsOf() (events.Position, time.Duration)
	// Await returns when all of this node's views, the history too, include a
	// position, or with CodeUnavailable when ctx ends.
	Await(ctx context.Context, position events.Position) error

	// Alerts are the alerts that are raised, by account.
	Alerts() []*wire.AlertRaised
	// PositionAt is the last position of the book that was recorded at or before an
	// instant.
	PositionAt(ctx context.Context, at time.Time) (events.Position, error)
	// StateAt is the book's state as it was at a position. It is not to be changed.
	StateAt(ctx context.Context, position events.Position) (*state.State, error)
	// Proof is the file that proves an event of the book, nil for no such event.
	Proof(ctx context.Context, position events.Position) ([]byte, error)

	// Wrap makes a secret of an entity unreadable to who reads the book: only nodes
	// with the cluster's key unwrap it.
	Wrap(of catalog.Ref, secret []byte) ([]byte, error)

	// DeckRows are the rows of a deck's version, sorted by prefix.
	DeckRows(ctx context.Context, v *wire.DeckVersion) ([]rating.Row, error)
	// StoreBlob keeps bytes under their SHA-256. Storing the same bytes again is
	// no error.
	StoreBlob(ctx context.Context, digest [32]byte, data []byte) error

	// ApplyWorld makes the catalog what a YAML document says, in the actor's name.
	ApplyWorld(ctx context.Context, edit WorldEdit) (WorldChange, error)

	// TryWebhook sends a delivery without events, once.
	TryWebhook(ctx context.Context, key string) error
	// WriteCdrFiles writes a profile's files of CDRs now and tells how many; it is
	// CodeUnavailable where another node keeps the book.
	WriteCdrFiles(ctx context.Context, profile string) (int, error)

	// Bindings are a subscriber's devices that are registered now, on all nodes.
	Bindings(subscriber string) []Binding
	// Bans are the sources that this node does not hear now, the newest first.
	Bans() []Ban
	// LiftBan hears a source again; false if it is not banned.
	LiftBan(addr netip.Addr, actor string) bool

	// Members are the nodes of the cluster as this one sees them, by name; of a node
	// alone it is that one.
	Members() []Member
	// RemoveNode has the other servers forget a node. It is repeated until done.
	RemoveNode(ctx context.Context, node, actor string) error

	// Rescues are the times that the book went on from one survivor's store, the oldest
	// first.
	Rescues() []*wire.RescueRecorded
	// Places are where the nodes take calls and media.
	Places() []*wire.NodePlace
	// Drain has a node take no new calls, or take them again. It is CodeUnavailable where
	// the node does not answer.
	Drain(ctx context.Context, node string, on bool, actor string) error

	// LiveCalls are the calls that go on now on all nodes, in any order.
	LiveCalls() []LiveCall
	// LiveMedia is what is received on a running call's legs now, on whichever node
	// serves it; it is CodeNotFound where there is no media.
	LiveMedia(ctx context.Context, call events.CallID) (*wire.CallMedia, error)
	// Traffic is what the last minutes were like, on all nodes.
	Traffic() Traffic
	// HangUp ends a running call on the node that serves it. It is CodeNotFound if
	// no node has it.
	HangUp(ctx context.Context, call events.CallID, actor, reason string) error
	// SteerRecording starts, stops, pauses or resumes the recording of a running call
	// on the node that serves it. It is CodeNotFound if the call is not running, and
	// CodeConflict for what does not fit how the recording stands.
	SteerRecording(ctx context.Context, call events.CallID, action wire.RecordingAction, actor, reason string) error
}

// Member is a node of the cluster.
type Member struct {
	// Name is the node's, Address where the others reach it, SIP where it takes calls.
	Name, Address, SIP, Version string
	// Up says that it answered within the last seconds, Seen when it did so last.
	Up   bool
	Seen time.Time
	// Draining says that it takes no new calls; Holds are the shared addresses that it
	// has.
	Draining bool
	Holds    []netip.Addr
	// Keeps says that it keeps the book, Witness that it only holds the streams, Whole
	// that it has all of them.
	Keeps, Witness, Whole bool
	Calls, MaxCalls       int
	// Position is how far it has read the book.
	Position events.Position
	// Ahead is by how much its clock is ahead of the clock of the node that answers.
	Ahead time.Duration
	// DiffersAt is where its state of the book is another than here, 0 if nowhere;
	// EqualTo is the last position before that where both are known to be the same.
	EqualTo, DiffersAt events.Position
}

// WorldEdit is a configuration document and what to do with it.
type WorldEdit struct {
	YAML   string
	Actor  string
	Note   string
	DryRun bool
}

// WorldChange is what a document changed, or would change.
type WorldChange struct {
	Differences []Difference
	// Position is where the edit was recorded; 0 for a dry run or no change.
	Position events.Position
}

// Difference is one entity that a document changes. Before is nil for a new one,
// After for one that goes away.
type Difference struct {
	Ref           catalog.Ref
	Before, After *wire.Entity
}

// Binding is a registered device.
type Binding struct {
	// Contact is the URI that it gave, Source the address that it registered from.
	Contact, Source, Transport, Node, Agent string
	// Q is its preference in thousandths.
	Q int
	// NAT says that it is reached at Source.
	NAT                             bool
	SinceUS, RefreshedUS, ExpiresUS int64
}

// Ban is a source that is not heard for a time.
type Ban struct {
	Addr         netip.Addr
	Node, Reason string
	Failures     int
	Since, Until time.Time
}

// LiveCall is one running call as its node tells it.
type LiveCall struct {
	Call events.CallID
	Node string
	// State is "setup", "ringing" or "talking".
	State      string
	Company    string
	Account    string
	Originator string
	// Terminator and VendorCompany are those of the attempt under way.
	Terminator    string
	VendorCompany string
	Caller        string
	Called        string
	SetupAt       time.Time
	// AnsweredAt is zero until the answer.
	AnsweredAt time.Time
	Recording  RecordingState
}

// Traffic is counted by calls, which are ingress legs.
type Traffic struct {
	// The last fifteen minutes. TalkTime is the sum over the Ended answered calls
	// that ended in them, PDD that over the Rang calls that rang.
	Attempts, Answered int
	TalkTime           time.Duration
	Ended              int
	PDD                time.Duration
	Rang               int
	// Minutes are the last hour's, oldest first; the last one is under way.
	Minutes []Minute
}

// Minute is one minute of traffic.
type Minute struct {
	At time.Time
	// Attempts are calls that came, Answered those that ended answered.
	Attempts, Answered int
}
