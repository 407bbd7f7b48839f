package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

func period(ctx context.Context, c *console, args []string) error {
	f := c.flags("period", "close brings an account's balance forward at the end of a day; list shows its closed periods")
	account := f.String("account", "", "the account's key")
	to := f.String("to", "", "close: the day after the last one, in the company's time zone: 2026-04-01")
	key := f.String("key", "", "close: the same on every repeat of this request; by default a new one")
	dry := f.Bool("dry-run", false, "close: only say whether it could be closed")
	output := f.String("o", "text", "text or json")
	cl := clientFlags(f)
	verb := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	if err := parse(f, args, 0); err != nil {
		return err
	}
	switch {
	case verb != "close" && verb != "list":
		return usageError{errors.New("say close or list")}
	case *account == "" || verb == "close" && *to == "":
		return usageError{errors.New("-account is needed, and -to for close")}
	case !slices.Contains([]string{"text", "json"}, *output):
		return usageError{fmt.Errorf("-o is text or json, not %q", *output)}
	case verb == "list":
		return listPeriods(ctx, c, cl, *account, *output)
	case *key == "":
		*key = rand.Text()
	}
	return closePeriod(ctx, c, cl, *output, map[string]any{"account": *account, "to": *to, "idempotencyKey": *key, "dryRun": *dry})
}

const periodFields = `position from to closedAt actor opening { amount } closing { amount } credits { amount } debits { amount } entryCount lateCount afterCount after { amount } stateHash`

type apiPeriod struct {
	Position   string    `json:"position"`
	From       *string   `json:"from"`
	To         string    `json:"to"`
	ClosedAt   string    `json:"closedAt"`
	Actor      string    `json:"actor"`
	Opening    apiAmount `json:"opening"`
	Closing    apiAmount `json:"closing"`
	Credits    apiAmount `json:"credits"`
	Debits     apiAmount `json:"debits"`
	EntryCount int       `json:"entryCount"`
	LateCount  int       `json:"lateCount"`
	AfterCount int       `json:"afterCount"`
	After      apiAmount `json:"after"`
	StateHash  string    `json:"stateHash"`
}

func closePeriod(ctx context.Context, c *console, cl *client, output string, input map[string]any) error {
	var answer struct {
		PeriodClose struct {
			Period     *apiPeriod  `json:"period"`
			Repeated   bool        `json:"repeated"`
			UserErrors []userError `json:"userErrors"`
		} `json:"periodClose"`
	}
	const mutation = `mutation ($input: PeriodCloseInput!) { periodClose(input: $input) { repeated period { ` + periodFields + ` } userErrors { code message path } } }`
	if err := cl.do(ctx, mutation, map[string]any{"input": input}, &answer); err != nil {
		return err
	}
	if err := refused(answer.PeriodClose.UserErrors); err != nil {
		return err
	}
	p := answer.PeriodClose.Period
	if output == "json" {
		return json.NewEncoder(c.out).Encode(answer.PeriodClose)
	}
	if p == nil {
		_, err := fmt.Fprintf(c.out, "%s can be closed up to %s\n", input["account"], input["to"])
		return err
	}
	word := "closed"
	if answer.PeriodClose.Repeated {
		word = "closed before"
	}
	_, err := fmt.Fprintf(c.out, "%s is %s up to %s: %s brought forward at position %s, state %s\n", input["account"], word, p.To, p.Closing.Amount, p.Position, p.StateHash)
	return err
}

func listPeriods(ctx context.Context, c *console, cl *client, account, output string) error {
	all := []apiPeriod{}
	for after := any(nil); ; {
		var answer struct {
			Account *struct {
				Periods struct {
					Nodes    []apiPeriod `json:"nodes"`
					PageInfo struct {
						HasNextPage bool   `json:"hasNextPage"`
						EndCursor   string `json:"endCursor"`
					} `json:"pageInfo"`
				} `json:"periods"`
			} `json:"account"`
		}
		const query = `query ($id: ID!, $after: Cursor) { account(id: $id) { periods(first: 100, after: $after) {
  nodes { ` + periodFields + ` } pageInfo { hasNextPage endCursor } } } }`
		if err := cl.do(ctx, query, map[string]any{"id": account, "after": after}, &answer); err != nil {
			return err
		}
		if answer.Account == nil {
			return fmt.Errorf("there is no account %q", account)
		}
		all = append(all, answer.Account.Periods.Nodes...)
		if !answer.Account.Periods.PageInfo.HasNextPage {
			break
		}
		after = answer.Account.Periods.PageInfo.EndCursor
	}
	slices.Reverse(all)
	if output == "json" {
		return json.NewEncoder(c.out).Encode(all)
	}
	const row = "%-27s %-27s %10s %18s %18s %18s %18s %8v %5v %18s  %s\n"
	fmt.Fprintf(c.out, row, "from", "to", "position", "opening", "credits", "debits", "closing", "entries", "late", "after its end", "state")
	for _, p := range all {
		from := ""
		if p.From != nil {
			from = *p.From
		}
		fmt.Fprintf(c.out, row, from, p.To, p.Position, p.Opening.Amount, p.Credits.Amount, p.Debits.Amount, p.Closing.Amount, p.EntryCount, p.LateCount, p.After.Amount, p.StateHash)
	}
	return nil
}
