package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
)

func proof(ctx context.Context, c *console, args []string) error {
	f := c.flags("proof", "writes a file that proves one event of the book to somebody who has only the node's public key")
	data := f.String("data", "", "the directory of a store; without it the node at -url is asked")
	position := f.Uint64("position", 0, "the event's position in the book")
	out := f.String("o", "", "the file to write; - is the output")
	cl := clientFlags(f)
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *position == 0 || *out == "" {
		return usageError{errors.New("-position and -o are needed")}
	}
	file, err := makeProof(ctx, cl, *data, *position)
	if err != nil {
		return err
	}
	if *out == "-" {
		_, err := c.out.Write(file)
		return err
	}
	if err := os.WriteFile(*out, file, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%s proves position %d; \"tollbook verify -proof %s\" checks it\n", *out, *position, *out)
	return err
}

func makeProof(ctx context.Context, cl *client, data string, position uint64) ([]byte, error) {
	if data != "" {
		p, err := journal.ProveDir(ctx, data, journal.VerifyOptions{Temp: filepath.Dir(filepath.Clean(data))}, book.Journal, position)
		if err != nil {
			return nil, err
		}
		return p.Bytes()
	}
	var answer struct {
		Proof *string `json:"proof"`
	}
	const query = `query ($position: Position!) { proof(position: $position) }`
	if err := cl.do(ctx, query, map[string]any{"position": strconv.FormatUint(position, 10)}, &answer); err != nil {
		return nil, err
	}
	if answer.Proof == nil {
		return nil, fmt.Errorf("the book has no position %d", position)
	}
	return []byte(*answer.Proof), nil
}

// provenEvent is what a sound proof shows, for programs.
type provenEvent struct {
	Verify     string          `json:"verify"`
	Journal    string          `json:"journal"`
	Position   uint64          `json:"position"`
	RecordedAt string          `json:"recordedAt"`
	Event      json.RawMessage `json:"event"`
	SignedAt   string          `json:"signedAt"`
	PublicKey  string          `json:"publicKey"`
	// Trusted says that the key was given by who verifies, and not by the proof.
	Trusted bool `json:"trusted"`
}

// verifyProof checks a proof's file without any store or node.
func verifyProof(c *console, file, key, output string) error {
	var trusted ed25519.PublicKey
	var err error
	if key != "" {
		if trusted, err = journal.ParsePublicKey(key); err != nil {
			return usageError{fmt.Errorf("-key: %w", err)}
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p, err := journal.CheckProof(text, trusted)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	e, err := events.Unmarshal(p.Event)
	if err != nil {
		return fmt.Errorf("%s: the event is in the journal, but this version cannot read it: %w", file, err)
	}
	shown, err := protojson.Marshal(e)
	if err != nil {
		return err
	}
	r := provenEvent{
		Verify: "ok", Journal: p.Journal, Position: p.Position, RecordedAt: p.Recorded.Format("2006-01-02T15:04:05.000000Z"),
		Event: shown, SignedAt: events.Instant(p.Signed.TimeUS).Format("2006-01-02T15:04:05.000000Z"),
		PublicKey: fmt.Sprintf("%x", []byte(p.Key)), Trusted: trusted != nil,
	}
	if output == "json" {
		return json.NewEncoder(c.out).Encode(r)
	}
	fmt.Fprintf(c.out, "%s position %d, recorded at %s:\n%s\n", r.Journal, r.Position, r.RecordedAt, r.Event)
	fmt.Fprintf(c.out, "signed at %s with key %s\n", r.SignedAt, r.PublicKey)
	if trusted == nil {
		fmt.Fprintln(c.out, "compare the key with one that you had from the node's owner, or give it with -key")
	}
	fmt.Fprintln(c.out, "ok")
	return nil
}
