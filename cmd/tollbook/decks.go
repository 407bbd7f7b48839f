package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tollbook/tollbook/graphql/resolve"
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
	mapping := f.String("mapping", "", "the deck mapping that knows the partner's columns")
	from := f.String("from", "", "when rows without a date take effect (RFC 3339); now by default")
	missing := f.Bool("remove-missing", false, "take what the file does not name out of the deck")
	notice := f.Bool("ignore-notice", false, "let increases in sooner than the deck's notice")
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
	q := url.Values{"deck": {*deck}, "source": {filepath.Base(*file)}, "removeMissing": {strconv.FormatBool(*missing)},
		"ignoreNotice": {strconv.FormatBool(*notice)}, "dryRun": {strconv.FormatBool(*dry)}}
	for name, v := range map[string]string{"mapping": *mapping, "from": *from} {
		if v != "" {
			q.Set(name, v)
		}
	}
	res, err := cl.send(ctx, http.MethodPost, "/import/deck?"+q.Encode(), data)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusUnprocessableEntity {
		return refusal(res)
	}
	var out resolve.DeckImported
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	if *output == "json" {
		err = json.NewEncoder(c.out).Encode(out)
	} else {
		printImport(c.out, &out)
	}
	if err == nil && out.ErrorCount > 0 {
		err = fmt.Errorf("%d errors: nothing was imported", out.ErrorCount)
	}
	return err
}

func printImport(w io.Writer, out *resolve.DeckImported) {
	for _, e := range out.Errors {
		fmt.Fprintf(w, "line %d, column %s: %s\n", e.Line, e.Column, e.Reason)
	}
	for _, c := range out.Changes {
		fmt.Fprintf(w, "%-10s %-20s %s -> %s\n", c.Kind, strings.Join(strings.Fields(c.Prefix+" "+c.Origin+" "+c.Band), " "), c.Before, c.After)
	}
	for _, kind := range []string{"new", "increase", "decrease", "changed", "removed", "unchanged"} {
		for k, n := range out.Counts {
			if string(k) == kind {
				fmt.Fprintf(w, "%s: %d rows\n", kind, n)
			}
		}
	}
	for _, t := range out.Traffic {
		fmt.Fprintf(w, "last week, prefix %s: %d calls for %s %s, would be %s\n", t.Prefix, t.Calls, t.Old, t.Currency, t.New)
	}
	verb := "made"
	if out.DryRun {
		verb = "would be made"
	}
	for _, v := range out.Versions {
		fmt.Fprintf(w, "version %d of %d rows, in force from %s, %s\n", v.Number, v.Rows, v.EffectiveFrom.Format(time.RFC3339), verb)
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
