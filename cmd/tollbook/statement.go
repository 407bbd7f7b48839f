package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/tollbook/tollbook/events/book"
)

func statement(ctx context.Context, c *console, args []string) error {
	f := c.flags("statement", "what was posted on an account in some days of its company's time zone")
	account := f.String("account", "", "the account's key")
	from := f.String("from", "", "the first day: 2026-03-01")
	to := f.String("to", "", "the day after the last one: 2026-04-01")
	output := f.String("o", "text", "text, csv or json")
	cl := clientFlags(f)
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *account == "" || *from == "" || *to == "" {
		return usageError{errors.New("-account, -from and -to are needed")}
	}
	if !slices.Contains([]string{"text", "csv", "json"}, *output) {
		return usageError{fmt.Errorf("-o is text, csv or json, not %q", *output)}
	}
	s, err := readStatement(ctx, cl, *account, *from, *to)
	if err != nil {
		return err
	}
	switch *output {
	case "json":
		return c.json(s)
	case "csv":
		return s.csv(c)
	default:
		return s.text(c)
	}
}

const statementQuery = `query ($account: ID!, $from: Date!, $to: Date!, $after: Cursor) {
  statement(account: $account, from: $from, to: $to) {
    account { key currency company { name } } from to timeZone fromAt toAt final entryCount lateCount
    opening { amount } closing { amount } credits { amount } debits { amount } asOf { position }
    rescues { recordedAt journals { journal keptAt } }
    entries(first: 500, after: $after) {
      nodes { position kind amount { amount } balance { amount } recordedAt effectiveAt actor reason reference callId reverses reversedBy late }
      pageInfo { hasNextPage endCursor }
    }
  }
}`

type apiAmount struct {
	Amount string `json:"amount"`
}

type statementEntry struct {
	Position    string    `json:"position"`
	Kind        string    `json:"kind"`
	Amount      apiAmount `json:"amount"`
	Balance     apiAmount `json:"balance"`
	RecordedAt  string    `json:"recordedAt"`
	EffectiveAt string    `json:"effectiveAt"`
	Actor       string    `json:"actor"`
	Reason      string    `json:"reason"`
	Reference   string    `json:"reference"`
	CallID      *string   `json:"callId"`
	Reverses    *string   `json:"reverses"`
	ReversedBy  *string   `json:"reversedBy"`
	Late        bool      `json:"late"`
}

type apiRescue struct {
	RecordedAt string `json:"recordedAt"`
	Journals   []struct {
		Journal string  `json:"journal"`
		KeptAt  *string `json:"keptAt"`
	} `json:"journals"`
}

// text says between which times something may be missing.
func (r apiRescue) text() string {
	kept := "the beginning"
	for _, j := range r.Journals {
		if j.Journal == book.Journal && j.KeptAt != nil {
			kept = *j.KeptAt
		}
	}
	return fmt.Sprintf("the book was rescued from one store: what was confirmed after %s and before %s may be missing", kept, r.RecordedAt)
}

type accountStatement struct {
	Account struct {
		Key      string `json:"key"`
		Currency string `json:"currency"`
		Company  *struct {
			Name string `json:"name"`
		} `json:"company"`
	} `json:"account"`
	From       string    `json:"from"`
	To         string    `json:"to"`
	TimeZone   string    `json:"timeZone"`
	FromAt     string    `json:"fromAt"`
	ToAt       string    `json:"toAt"`
	Final      bool      `json:"final"`
	EntryCount int       `json:"entryCount"`
	LateCount  int       `json:"lateCount"`
	Opening    apiAmount `json:"opening"`
	Closing    apiAmount `json:"closing"`
	Credits    apiAmount `json:"credits"`
	Debits     apiAmount `json:"debits"`
	AsOf       struct {
		Position string `json:"position"`
	} `json:"asOf"`
	// Rescues are those before the statement's end.
	Rescues []apiRescue `json:"rescues,omitempty"`
	// Entries are the oldest first.
	Entries []statementEntry `json:"entries"`
}

// readStatement reads all pages, newest first as the API has them. The figures
// are those of the first page; entries that came later are not in it.
func readStatement(ctx context.Context, cl *client, account, from, to string) (*accountStatement, error) {
	var out *accountStatement
	for after := any(nil); ; {
		var answer struct {
			Statement *struct {
				accountStatement
				Page struct {
					Nodes    []statementEntry `json:"nodes"`
					PageInfo struct {
						HasNextPage bool   `json:"hasNextPage"`
						EndCursor   string `json:"endCursor"`
					} `json:"pageInfo"`
				} `json:"entries"`
			} `json:"statement"`
		}
		variables := map[string]any{"account": account, "from": from, "to": to, "after": after}
		if err := cl.do(ctx, statementQuery, variables, &answer); err != nil {
			return nil, err
		}
		s := answer.Statement
		if s == nil {
			return nil, fmt.Errorf("there is no account %q", account)
		}
		if out == nil {
			out = &s.accountStatement
			out.Entries = []statementEntry{}
		}
		out.Entries = append(out.Entries, s.Page.Nodes...)
		if !s.Page.PageInfo.HasNextPage {
			break
		}
		after = s.Page.PageInfo.EndCursor
	}
	slices.Reverse(out.Entries)
	if len(out.Entries) != out.EntryCount {
		return nil, fmt.Errorf("the statement has %d entries, %d came: it is still growing, ask again", out.EntryCount, len(out.Entries))
	}
	return out, nil
}

func (s *accountStatement) text(c *console) error {
	name := ""
	if s.Account.Company != nil {
		name = s.Account.Company.Name
	}
	fmt.Fprintf(c.out, "%s  %s  %s\n", s.Account.Key, name, s.Account.Currency)
	fmt.Fprintf(c.out, "from %s to before %s, %s (%s to %s)\n\n", s.From, s.To, s.TimeZone, s.FromAt, s.ToAt)
	const row = "%-27s %10s  %-12s %18s %18s  %s\n"
	fmt.Fprintf(c.out, row, "recorded", "position", "kind", "amount", "balance", "reason")
	fmt.Fprintf(c.out, row, s.FromAt, "", "opening", "", s.Opening.Amount, "")
	for _, e := range s.Entries {
		fmt.Fprintf(c.out, row, e.RecordedAt, e.Position, e.Kind, e.Amount.Amount, e.Balance.Amount, e.why())
	}
	fmt.Fprintf(c.out, row, s.ToAt, "", "closing", "", s.Closing.Amount, "")
	fmt.Fprintf(c.out, "\n%d entries, %d of them late: credits %s, debits %s\n", s.EntryCount, s.LateCount, s.Credits.Amount, s.Debits.Amount)
	for _, r := range s.Rescues {
		fmt.Fprintln(c.out, r.text())
	}
	if !s.Final {
		fmt.Fprintf(c.out, "the days are not over: as of position %s\n", s.AsOf.Position)
	}
	return nil
}

// why is an entry's reason with what it refers to.
func (e statementEntry) why() string {
	text := e.Reason
	if e.Reference != "" {
		text += " (" + e.Reference + ")"
	}
	if e.CallID != nil {
		text += *e.CallID
	}
	if e.Reverses != nil {
		text += ", reverses " + *e.Reverses
	}
	if e.ReversedBy != nil {
		text += ", reversed by " + *e.ReversedBy
	}
	if e.Late {
		text += ", late: its period was closed"
	}
	return text
}

func (s *accountStatement) csv(c *console) error {
	w := csv.NewWriter(c.out)
	rows := [][]string{{"recorded_at", "effective_at", "position", "kind", "amount", "balance", "currency", "call", "reason", "reference", "actor", "reverses", "reversed_by", "late"}}
	cur := s.Account.Currency
	rows = append(rows, []string{s.FromAt, "", "", "OPENING", "", s.Opening.Amount, cur, "", "", "", "", "", "", ""})
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	for _, e := range s.Entries {
		rows = append(rows, []string{e.RecordedAt, e.EffectiveAt, e.Position, e.Kind, e.Amount.Amount, e.Balance.Amount, cur,
			text(e.CallID), plain(e.Reason), plain(e.Reference), plain(e.Actor), text(e.Reverses), text(e.ReversedBy), strconv.FormatBool(e.Late)})
	}
	rows = append(rows, []string{s.ToAt, "", "", "CLOSING", "", s.Closing.Amount, cur, "", "", "", "", "", "", ""})
	return errors.Join(w.WriteAll(rows), w.Error())
}

// plain keeps a spreadsheet from taking somebody's words for a formula.
func plain(text string) string {
	if text != "" && slices.Contains([]byte("=+-@\t\r"), text[0]) {
		return "'" + text
	}
	return text
}
