package history

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// What an audit row is about.
const (
	AuditChange   = "change"
	AuditSignIn   = "sign_in"
	AuditSignFail = "sign_in_failed"
	AuditRejected = "source_rejected"
	AuditForecast = "balance_forecast"
	AuditBanned   = "source_banned"
	AuditLifted   = "ban_lifted"

	// Somebody asked for balances or CDRs, the first time in an hour.
	AuditRead = "money_data_read"

	// A file of CDRs could not be delivered for an hour.
	AuditCdrFileLate = "cdr_file_late"

	// What pings found out of terminators, registrars said to our registrations.
	AuditTerminatorUp     = "terminator_up"
	AuditTerminatorDown   = "terminator_down"
	AuditRegistered       = "registered"
	AuditRegistrationLost = "registration_lost"

	// A call tripped a guard rule; somebody let such calls pass.
	AuditGuardTripped = "guard_tripped"
	AuditGuardLifted  = "guard_lifted"

	// Somebody steered the recording of a call.
	AuditRecordingSteered = "recording_steered"

	// No new recordings and captures were begun for want of space, and were again; a
	// copy was not what its node made; somebody was given a file, or had one removed.
	AuditFilesStopped = "files_stopped"
	AuditFilesResumed = "files_resumed"
	AuditFileDamaged  = "file_damaged"
	AuditFileServed   = "file_served"
	AuditFileErased   = "file_erased"
)

// applyAudit writes the audit row of an event, if it has one.
func (s *Store) applyAudit(ctx context.Context, r events.Recorded) error {
	row := AuditRow{TimeUS: r.TimeUS, Journal: r.Journal, Position: int64(r.Position),
		Actor: r.Event.GetActor(), Node: nodeOf(r.Journal), Count: 1}
	switch body := r.Event.GetBody().(type) {
	case *wire.Event_ChangeSetAccepted:
		row.Kind, row.Note = AuditChange, body.ChangeSetAccepted.GetNote()
		row.Count = int64(len(body.ChangeSetAccepted.GetChanges()))
		if err := s.applyChanges(ctx, r.Position, body.ChangeSetAccepted.GetChanges()); err != nil {
			return err
		}
	case *wire.Event_SignedIn:
		row.Kind, row.Address = AuditSignIn, body.SignedIn.GetAddress()
		row.Actor = body.SignedIn.GetUser()
	case *wire.Event_SignInFailed:
		row.Kind, row.Address = AuditSignFail, body.SignInFailed.GetAddress()
		row.Actor, row.Note = body.SignInFailed.GetUser(), body.SignInFailed.GetReason()
	case *wire.Event_MoneyDataRead:
		e := body.MoneyDataRead
		row.Kind, row.Address, row.Note = AuditRead, e.GetAddress(), tellRead(e)
	case *wire.Event_SourceRejected:
		e := body.SourceRejected
		row.Kind, row.Address, row.Note = AuditRejected, e.GetAddress(), e.GetReason()
		row.Count = int64(e.GetCount())
		if e.GetNode() != "" {
			row.Node = e.GetNode()
		}
	case *wire.Event_BalanceForecast:
		e := body.BalanceForecast
		row.Kind, row.Actor, row.Count = AuditForecast, "account:"+e.GetAccount(), int64(e.GetCalls())
		row.Note = fmt.Sprintf("%s %s left, %s a minute: empty in %d min", money.Amount(e.GetAvailableMicro()), e.GetCurrency(),
			money.Amount(e.GetBurnMicro()), e.GetMinutes())
	case *wire.Event_CdrFileLate:
		e := body.CdrFileLate
		row.Kind, row.Actor = AuditCdrFileLate, "cdr profile:"+e.Profile
		row.Note = fmt.Sprintf("file %d is owed since %s: %s", e.Number, events.Instant(e.CutUs).Format(time.RFC3339), e.Reason)
	case *wire.Event_TerminatorStateChanged:
		e := body.TerminatorStateChanged
		row.Kind = pick(e.Up, AuditTerminatorUp, AuditTerminatorDown)
		row.Actor, row.Node, row.Address, row.Note = "terminator:"+e.Terminator, e.Node, e.Address, e.Reason
	case *wire.Event_RegistrationStateChanged:
		e := body.RegistrationStateChanged
		row.Kind = pick(e.Registered, AuditRegistered, AuditRegistrationLost)
		row.Actor, row.Node, row.Address, row.Note = "registration:"+e.Registration, e.Node, e.Address, e.Reason
	case *wire.Event_GuardTripped:
		e := body.GuardTripped
		row.Kind, row.Actor, row.Note = AuditGuardTripped, "account:"+e.Account, TellTrip(e)
	case *wire.Event_GuardLifted:
		row.Kind, row.Note = AuditGuardLifted, tellLift(body.GuardLifted)
	case *wire.Event_RecordingSteered:
		row.Kind, row.Node, row.Note = AuditRecordingSteered, body.RecordingSteered.Node, tellSteered(body.RecordingSteered)
	case *wire.Event_SourceBanned:
		e := body.SourceBanned
		row.Kind, row.Address, row.Note, row.Count = AuditBanned, e.GetAddress(), e.GetReason(), int64(e.GetFailures())
	case *wire.Event_BanLifted:
		row.Kind, row.Address = AuditLifted, body.BanLifted.GetAddress()
	default:
		if !auditFile(r.Event, &row) {
			return nil
		}
	}
	return s.book.exec(ctx, `INSERT OR IGNORE INTO audit
 (time_us, serial, journal, position, kind, actor, node, address, note, count)
 VALUES (?,?,?,?,?,?,?,?,?,?)`, row.TimeUS, serial(r.Journal, r.Position), row.Journal,
		row.Position, row.Kind, row.Actor, row.Node, row.Address, row.Note, row.Count)
}

// tellRead says what was asked for: "balances of account:acme-usd (account)".
func tellRead(e *wire.MoneyDataRead) string {
	subject := e.Subject
	if subject == "" {
		subject = "all"
	}
	return fmt.Sprintf("%s of %s (%s)", e.What, subject, e.Field)
}

// tellSteered says what was done to a recording: "pause 0199…: a card number".
func tellSteered(e *wire.RecordingSteered) string {
	note := strings.ToLower(strings.TrimPrefix(e.Action.String(), "RECORDING_ACTION_")) + " " + events.CallID(e.Call).String()
	if e.Reason != "" {
		note += ": " + e.Reason
	}
	return note
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// serial is a number for a place in a journal: cursors need one that does not
// depend on the order in which journals arrive.
func serial(journal string, position uint64) int64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(journal+"/"), position))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

// applyChanges writes the entities of an edit with what they were before it.
func (s *Store) applyChanges(ctx context.Context, position uint64, changes []*wire.Change) error {
	for i, change := range changes {
		kind, id, after, err := describe(change.GetEntity())
		if err != nil {
			return err
		}
		before := ""
		err = s.book.query(ctx, `SELECT after FROM changes WHERE kind = ? AND id = ?
 ORDER BY position DESC, idx DESC LIMIT 1`, []driver.Value{kind, id}, func(v []driver.Value) error {
			before, _ = v[0].(string)
			return nil
		})
		if err != nil {
			return err
		}
		if change.GetRemove() {
			after = ""
		}
		err = s.book.exec(ctx, `INSERT INTO changes (position, idx, kind, id, removed, before, after)
 VALUES (?,?,?,?,?,?,?)`, int64(position), int64(i), kind, id, change.GetRemove(), before, after)
		if err != nil {
			return err
		}
	}
	return nil
}

// hidden stands where a secret was.
const hidden = "(hidden)"

// describe returns an entity's kind ("originator"), id and JSON without secrets.
func describe(entity *wire.Entity) (kind, id, text string, err error) {
	m := entity.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
	if field == nil {
		return "", "", "", nil
	}
	body := proto.Clone(m.Get(field).Message().Interface())
	switch e := body.(type) {
	case *wire.User:
		e.Password = hide(e.GetPassword())
		if f := e.GetSecondFactor(); f != nil {
			f.Secret, f.Recovery = hideBytes(f.GetSecret()), nil
		}
	case *wire.Token:
		e.Hash = nil
	case *wire.Terminator:
		e.AuthSecret = hideBytes(e.GetAuthSecret())
	case *wire.Originator:
		e.AuthSecret = hideBytes(e.GetAuthSecret())
	case *wire.Subscriber:
		e.Secret = hideBytes(e.GetSecret())
	case *wire.Did:
		id = e.GetNumber()
	case *wire.Registration:
		e.Secret = hideBytes(e.GetSecret())
	case *wire.CdrProfile:
		e.Secret = hideBytes(e.GetSecret())
	case *wire.CdrProgress:
		e.Rows = nil // they stand in cdr_rows
	case *wire.Settings:
		for name := range e.GetSecrets() {
			e.Secrets[name] = []byte(hidden)
		}
	}
	if named, ok := body.(interface{ GetId() string }); ok {
		id = named.GetId()
	}
	text, err = stableJSON(body)
	return string(field.Name()), id, text, err
}

func hide(secret string) string {
	if secret == "" {
		return ""
	}
	return hidden
}

func hideBytes(secret []byte) []byte {
	if len(secret) == 0 {
		return nil
	}
	return []byte(hidden)
}

// stableJSON writes a message the same way in every build: protojson by itself
// puts spaces at random, on purpose.
func stableJSON(m proto.Message) (string, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("write JSON: %w", err)
	}
	return compact(text)
}
