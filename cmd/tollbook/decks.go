package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fileTime bounds the way of a large file to the node and back.
const fileTime = 10 * time.Minute

// importFile is "tollbook import deck".
func importFile(ctx context.Context, c *console, args []string) error {
	if len(args) == 0 || args[0] != "deck" {
		return usageError{errors.New("say what to import: deck")}
	}
	f := c.flags("import deck", "give a deck new prices from CSV or XLSX")
	file := f.String("f", "", "the file")
	deck := f.String("deck", "", "the deck")
	mapping := f.String("mapping", "", `the deck mapping that knows the partner's columns, "none" for none; by default that of the deck's company, if it has one`)
	from := f.String("from", "", "when rows without a date take effect (RFC 3339); now by default")
	missing := f.Bool("remove-missing", false, "take what the file does not name out of the deck")
	notice := f.Bool("ignore-notice", false, "let increases in sooner than the deck's notice")
	key := f.String("key", "", "the idempotency key: the same on every repeat of this import; a new one by default")
	dry := f.Bool("dry-run", false, "say what would change, and what last week would have cost")
	output := f.String("o", "text", "text or json")
	cl := clientFlags(f)
	if err := parse(f, args[1:], 0); err != nil {
		return err
	}
	if *file == "" || *deck == "" {
		return usageError{errors.New("-f FILE and -deck ID are needed")}
	}
	data, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	input := map[string]any{"deck": *deck, "file": nil, "removeMissing": *missing, "ignoreNotice": *notice, "dryRun": *dry, "idempotencyKey": *key}
	if *key == "" {
		input["idempotencyKey"] = rand.Text()
	}
	switch *mapping {
	case "":
	case "none":
		input["mapping"] = nil
	default:
		input["mapping"] = *mapping
	}
	if *from != "" {
		input["effectiveFrom"] = *from
	}
	var answer struct {
		DeckImport deckImported `json:"deckImport"`
	}
	if err := cl.upload(ctx, importMutation, input, filepath.Base(*file), data, &answer); err != nil {
		return err
	}
	out := answer.DeckImport
	if err := refused(out.UserErrors); err != nil {
		return err
	}
	if *output == "json" {
		err = json.NewEncoder(c.out).Encode(out)
	} else {
		out.print(c.out, *dry)
	}
	if err == nil && out.ErrorCount > 0 {
		err = fmt.Errorf("%d errors: nothing was imported", out.ErrorCount)
	}
	return err
}

const importMutation = `mutation ($input: DeckImportInput!) {
  deckImport(input: $input) {
    mapping { key } versions { number effectiveFrom rowCount } counts { kind rows }
    changes { kind prefix destination origin band before after effectiveFrom }
    errors { line column reason notice } errorCount
    traffic { prefix currency calls unpriced before after } trafficTotals { prefix currency calls unpriced before after }
    position repeated userErrors { code message path }
  }
}`

// deckImported is the answer of the API to an import.
type deckImported struct {
	Mapping *struct {
		Key string `json:"key"`
	} `json:"mapping"`
	Versions []struct {
		Number        int    `json:"number"`
		EffectiveFrom string `json:"effectiveFrom"`
		Rows          int    `json:"rowCount"`
	} `json:"versions"`
	Counts []struct {
		Kind string `json:"kind"`
		Rows int    `json:"rows"`
	} `json:"counts"`
	Changes []struct {
		Kind          string `json:"kind"`
		Prefix        string `json:"prefix"`
		Destination   string `json:"destination"`
		Origin        string `json:"origin"`
		Band          string `json:"band"`
		Before        string `json:"before"`
		After         string `json:"after"`
		EffectiveFrom string `json:"effectiveFrom"`
	} `json:"changes"`
	Errors []struct {
		Line   int    `json:"line"`
		Column string `json:"column"`
		Reason string `json:"reason"`
		Notice bool   `json:"notice"`
	} `json:"errors"`
	ErrorCount int           `json:"errorCount"`
	Traffic    []weekTraffic `json:"traffic"`
	Totals     []weekTraffic `json:"trafficTotals"`
	Position   *string       `json:"position"`
	Repeated   bool          `json:"repeated"`
	UserErrors []userError   `json:"userErrors"`
}

// weekTraffic is what last week's calls to a prefix, or all of them, would cost.
type weekTraffic struct {
	Prefix   string `json:"prefix"`
	Currency string `json:"currency"`
	Calls    int    `json:"calls"`
	Unpriced int    `json:"unpriced"`
	Before   string `json:"before"`
	After    string `json:"after"`
}

func (t weekTraffic) print(w io.Writer) {
	which := "all prefixes"
	if t.Prefix != "" {
		which = "prefix " + t.Prefix
	}
	fmt.Fprintf(w, "last week, %s: %d calls for %s %s, would be %s", which, t.Calls, t.Before, t.Currency, t.After)
	if t.Unpriced > 0 {
		fmt.Fprintf(w, ", %d of them without a price", t.Unpriced)
	}
	fmt.Fprintln(w)
}

func (d *deckImported) print(w io.Writer, dry bool) {
	if d.Mapping != nil {
		fmt.Fprintf(w, "by the mapping %s\n", d.Mapping.Key)
	}
	for _, e := range d.Errors {
		fmt.Fprintf(w, "line %d, column %s: %s\n", e.Line, e.Column, e.Reason)
	}
	for _, c := range d.Changes {
		fmt.Fprintf(w, "%-10s %-20s %s -> %s\n", strings.ToLower(c.Kind), strings.Join(strings.Fields(c.Prefix+" "+c.Origin+" "+c.Band), " "), c.Before, c.After)
	}
	for _, n := range d.Counts {
		fmt.Fprintf(w, "%s: %d rows\n", strings.ToLower(n.Kind), n.Rows)
	}
	for _, t := range slices.Concat(d.Traffic, d.Totals) {
		t.print(w)
	}
	verb := "made"
	switch {
	case dry:
		verb = "would be made"
	case d.Repeated:
		verb = "had been made before"
	}
	for _, v := range d.Versions {
		fmt.Fprintf(w, "version %d of %d rows, in force from %s, %s\n", v.Number, v.Rows, v.EffectiveFrom, verb)
	}
}

// exportFile is "tollbook export deck".
func exportFile(ctx context.Context, c *console, args []string) error {
	if len(args) == 0 || args[0] != "deck" {
		return usageError{errors.New("say what to export: deck")}
	}
	f := c.flags("export deck", "write a deck's prices as CSV or XLSX")
	file := f.String("f", "", "where to write, .csv or .xlsx; the output as CSV by default")
	deck := f.String("deck", "", "the deck")
	number := f.Uint("version", 0, "the version; the one in force by default")
	cl := clientFlags(f)
	if err := parse(f, args[1:], 0); err != nil {
		return err
	}
	if *deck == "" {
		return usageError{errors.New("-deck ID is needed")}
	}
	q := url.Values{"deck": {*deck}}
	if *number > 0 {
		q.Set("version", strconv.FormatUint(uint64(*number), 10))
	}
	kind := "csv"
	if strings.EqualFold(filepath.Ext(*file), ".xlsx") {
		kind = "xlsx"
	}
	res, err := cl.send(ctx, http.MethodGet, "/export/deck."+kind+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return refusal(res)
	}
	if *file == "" {
		_, err = io.Copy(c.out, res.Body)
		return err
	}
	to, err := os.Create(*file)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, res.Body)
	return errors.Join(err, to.Close())
}

func refusal(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4096)) // what came of it is enough
	return fmt.Errorf("the node refuses: %s", strings.TrimSpace(string(text)))
}

// send asks the node for something that is not in its GraphQL API.
func (cl *client) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	if cl.token == "" {
		return nil, usageError{errors.New("a token is needed: -token, or $" + adminToken)}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(cl.url, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, usageError{err}
	}
	req.Header.Set("Authorization", "Bearer "+cl.token)
	client := &http.Client{Timeout: fileTime}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no node answers: %w", err)
	}
	return res, nil
}
