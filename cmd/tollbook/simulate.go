package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

const simulateQuery = `query ($input: RouteSimulateInput!) { routeSimulate(input: $input) {
 originatorId refused caller called quality
 decision { at planId catalogPosition refused currency marginCurrency sellPrice sellDeckId sellPrefix emergency packageId guardRuleId choices {
  rank terminatorId routeId deckId prefix price currency margin rejected callerOut calledOut
  quality { figure window attempts value } } } } }`

// simulation is what the node answers.
type simulation struct {
	OriginatorID *string `json:"originatorId"`
	Refused      *string `json:"refused"`
	Caller       string  `json:"caller"`
	Called       string  `json:"called"`
	Quality      string  `json:"quality"`
	Decision     *struct {
		At              string      `json:"at"`
		PlanID          *string     `json:"planId"`
		CatalogPosition string      `json:"catalogPosition"`
		Refused         *string     `json:"refused"`
		Currency        string      `json:"currency"`
		MarginCurrency  string      `json:"marginCurrency"`
		SellPrice       string      `json:"sellPrice"`
		SellDeckID      *string     `json:"sellDeckId"`
		SellPrefix      string      `json:"sellPrefix"`
		Emergency       *string     `json:"emergency"`
		PackageID       *string     `json:"packageId"`
		GuardRuleID     *string     `json:"guardRuleId"`
		Choices         []simulated `json:"choices"`
	} `json:"decision"`
}

type simulated struct {
	Rank         *int    `json:"rank"`
	TerminatorID string  `json:"terminatorId"`
	RouteID      string  `json:"routeId"`
	DeckID       *string `json:"deckId"`
	Prefix       string  `json:"prefix"`
	Price        string  `json:"price"`
	Currency     string  `json:"currency"`
	Margin       string  `json:"margin"`
	Rejected     *string `json:"rejected"`
	CallerOut    *string `json:"callerOut"`
	CalledOut    *string `json:"calledOut"`
	Quality      []struct {
		Figure   string  `json:"figure"`
		Window   int     `json:"window"`
		Attempts int     `json:"attempts"`
		Value    *string `json:"value"`
	} `json:"quality"`
}

// simulate asks a node what a call would do.
func simulate(ctx context.Context, c *console, args []string) error {
	f := c.flags("simulate", "ask a running node what a call would do: the vendors in their order, prices, margins, and who was left out, why")
	originator := f.String("originator", "", "who calls")
	source := f.String("source", "", "or the address and port that the INVITE would come from")
	caller := f.String("caller", "", "the caller's number")
	called := f.String("called", "", "the number dialled")
	at := f.String("at", "", "as of this instant, such as 2026-12-01T09:30:00Z; by default now")
	cdr := f.String("cdr", "", "ask for a call that came, by its id, as of then; the other flags change it")
	output := f.String("o", "text", "text or json")
	cl := clientFlags(f)
	if err := parse(f, args, 0); err != nil {
		return err
	}
	input := map[string]any{}
	for name, value := range map[string]string{"source": *source, "caller": *caller, "called": *called, "call": *cdr} {
		if value != "" {
			input[name] = value
		}
	}
	if *originator != "" {
		input["originator"] = "originator:" + strings.TrimPrefix(*originator, "originator:")
	}
	switch {
	case *output != "text" && *output != "json":
		return usageError{fmt.Errorf("-o is text or json, not %q", *output)}
	case *cdr == "" && (*called == "" || (*originator == "") == (*source == "")):
		return usageError{errors.New("say -called and one of -originator and -source, or -cdr")}
	}
	if *at != "" {
		when, err := time.Parse(time.RFC3339, *at)
		if err != nil {
			return usageError{fmt.Errorf("-at %q is not a time such as 2026-12-01T09:30:00Z", *at)}
		}
		input["at"] = when.UTC().Format(time.RFC3339)
	}
	var answer struct {
		RouteSimulate simulation `json:"routeSimulate"`
	}
	if err := cl.do(ctx, simulateQuery, map[string]any{"input": input}, &answer); err != nil {
		return err
	}
	if *output == "json" {
		return c.json(answer.RouteSimulate)
	}
	return answer.RouteSimulate.print(c)
}

// print writes the answer as a table.
func (s *simulation) print(c *console) error {
	if s.Refused != nil {
		_, err := fmt.Fprintf(c.out, "refused: %s\n", *s.Refused)
		return err
	}
	d := s.Decision
	fmt.Fprintf(c.out, "%s calls %s for %s, catalog position %s, at %s\n", s.Caller, s.Called, bare(s.OriginatorID), d.CatalogPosition, d.At)
	if d.SellDeckID != nil {
		fmt.Fprintf(c.out, "sold at %s %s by deck %s, prefix %s; quality: %s\n", d.SellPrice, d.Currency, bare(d.SellDeckID), d.SellPrefix, s.Quality)
	}
	if d.Emergency != nil {
		fmt.Fprintf(c.out, "an emergency call to %s: no lack of money, no limit and no number list stops it\n", *d.Emergency)
	}
	if d.PackageID != nil {
		fmt.Fprintf(c.out, "package %s pays for it first\n", bare(d.PackageID))
	}
	switch {
	case d.GuardRuleID != nil:
		fmt.Fprintf(c.out, "blocked by guard rule %s\n", bare(d.GuardRuleID))
	case d.Refused != nil:
		fmt.Fprintf(c.out, "no route: %s\n", *d.Refused)
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "#\tTERMINATOR\tROUTE\tPRICE\tMARGIN\tQUALITY\tCALLED OUT\tREJECTED")
	for _, v := range d.Choices {
		rank := "-"
		if v.Rank != nil {
			rank = fmt.Sprint(*v.Rank)
		}
		var quality []string
		for _, q := range v.Quality {
			figure := "?"
			if q.Value != nil {
				figure = *q.Value
			}
			quality = append(quality, fmt.Sprintf("%s %s of %d", q.Figure, figure, q.Attempts))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", rank, bare(&v.TerminatorID), bare(&v.RouteID), v.Price+" "+v.Currency, v.Margin+" "+d.MarginCurrency,
			strings.Join(quality, ", "), bare(v.CalledOut), bare(v.Rejected))
	}
	return w.Flush()
}

// bare is an id without its kind; a dash for none.
func bare(id *string) string {
	if id == nil {
		return "-"
	}
	if _, key, found := strings.Cut(*id, ":"); found {
		return key
	}
	return *id
}
