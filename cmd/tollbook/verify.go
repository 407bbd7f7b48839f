package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

func verify(ctx context.Context, c *console, args []string) error {
	f := c.flags("verify", "checks a store: every block, every posting, every price; it changes nothing")
	data := f.String("data", "data", "the directory of the store")
	output := f.String("o", "text", "text or json")
	cdrs := f.Bool("cdrs", false, "also make all CDRs and entries anew from the events, and compare them with the history")
	file := f.String("proof", "", "check this file of \"tollbook proof\" instead; it needs no store and no node")
	key := f.String("key", "", "the public key that the proof must be signed with, 64 hex digits")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *file != "" {
		return verifyProof(c, *file, *key, *output)
	}
	r, err := verifyDir(ctx, *data, *cdrs)
	if *output == "json" {
		r.Verify = "ok"
		if err != nil {
			r.Verify = err.Error()
		}
		return errors.Join(err, json.NewEncoder(c.out).Encode(r))
	}
	if err != nil {
		return err
	}
	for _, j := range r.Journals {
		fmt.Fprintf(c.out, "%-20s %d blocks, %d events, head %s\n", j.Journal, j.Blocks, j.Events, j.Head)
		if j.Behind > 0 {
			fmt.Fprintf(c.out, "%-20s %d blocks behind what the cluster had acknowledged: verify another node's store, too\n", "", j.Behind)
		}
	}
	if *cdrs {
		fmt.Fprintf(c.out, "%d CDRs and %d entries made anew, the history has the same\n", r.CDRs, r.Entries)
	}
	for _, one := range r.Rescues {
		fmt.Fprintf(c.out, "rescued at position %d, %s, from the store of node %s: %s\n", one.Position, one.At.Format(time.RFC3339Nano), one.Rescued.Node, one.Rescued.Reason)
		tellRescue(c, one.Rescued)
	}
	fmt.Fprintf(c.out, "%d holds, %d charges, %d offline calls, %d postings and %d periods recomputed, state %s\nok\n",
		r.Holds, r.Charges, r.Offline, r.Postings, r.Periods, r.State)
	return nil
}

// verified is what a verification found.
type verified struct {
	Verify    string            `json:"verify"`
	Journals  []verifiedJournal `json:"journals"`
	Holds     int               `json:"holds"`
	Charges   int               `json:"charges"`
	Postings  int               `json:"postings"`
	Offline   int               `json:"offline_calls"`
	Periods   int               `json:"periods"`
	Overspent int               `json:"overspent_accounts"`
	// Legs counts the legs in the log: each must have one CDR.
	Legs  int64  `json:"legs"`
	State string `json:"state"`
	// Rescues are the times that the book went on from one survivor's store: what was
	// confirmed before may be missing.
	Rescues []verifiedRescue `json:"rescues,omitempty"`
	// CDRs and Entries count the rows that were made anew and are the history's.
	CDRs    int64 `json:"cdrs,omitempty"`
	Entries int64 `json:"entries,omitempty"`
}

type verifiedRescue struct {
	Position uint64             `json:"position"`
	At       time.Time          `json:"at"`
	Rescued  *wire.StoreRescued `json:"rescued"`
}

type verifiedJournal struct {
	Journal string `json:"journal"`
	Blocks  uint64 `json:"blocks"`
	Events  uint64 `json:"events"`
	Head    string `json:"head"`
	// Behind counts the blocks that this node of a cluster knew of and had not yet.
	Behind uint64 `json:"behind,omitempty"`
}

// verifyDir checks a store's chains, then folds its book anew and checks each
// decision.
func verifyDir(ctx context.Context, dir string, cdrs bool) (verified, error) {
	auditor := state.NewAuditor()
	var r verified
	var again *rebuilt
	if cdrs {
		var err error
		if again, err = rebuild(ctx, dir); err != nil {
			return r, err
		}
		defer again.remove()
	}
	reports, err := journal.VerifyDir(ctx, dir, journal.VerifyOptions{
		Temp: filepath.Dir(filepath.Clean(dir)),
		Visit: func(b journal.Block) error {
			if err := again.take(ctx, b); err != nil {
				return err
			}
			return audit(auditor, &r, b)
		},
	})
	for _, s := range reports {
		for _, j := range s.Journals {
			r.Journals = append(r.Journals, verifiedJournal{j.Journal, j.Blocks, j.Events, j.End.Head.String(), j.Behind})
		}
	}
	r.Offline, r.Periods = auditor.Offline, auditor.Periods
	r.Holds, r.Charges, r.Postings, r.Overspent = auditor.Holds, auditor.Charges, auditor.Postings, auditor.Overspent
	for _, one := range auditor.State.Rescues {
		r.Rescues = append(r.Rescues, verifiedRescue{one.Position, time.UnixMicro(one.TimeUs).UTC(), one.Rescued})
	}
	if err != nil {
		return r, err
	}
	r.State = auditor.State.Hash().String()
	if err := auditor.Finish(); err != nil || again == nil {
		return r, err
	}
	same, err := again.compare(ctx)
	r.CDRs, r.Entries = same.CDRs, same.Entries
	return r, err
}

func audit(a *state.Auditor, r *verified, b journal.Block) error {
	evs, err := b.Decode()
	if err != nil {
		return err
	}
	for _, e := range evs {
		if e.GetCallReceived() != nil || e.GetAttemptStarted() != nil {
			r.Legs++
		}
		if b.Journal != book.Journal {
			continue
		}
		if err := a.Check(b.Time.UnixMicro(), e); err != nil {
			return err
		}
	}
	return nil
}
