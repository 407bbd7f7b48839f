package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/lookup"
)

// ratingFigures are what the benchmark found.
type ratingFigures struct {
	Rows  int `json:"rows"`
	Cores int `json:"cores"`
	// ImportSeconds is from the file's bytes to the first price: read, checked,
	// made canonical, stored, fetched back, compiled, in force.
	ImportSeconds float64 `json:"import_seconds"`
	FileBytes     int     `json:"file_bytes"`
	// MemoryBytes is what the compiled deck keeps of the heap.
	MemoryBytes   uint64  `json:"memory_bytes"`
	PriceLookupNS float64 `json:"price_lookup_ns"`
	Allocations   float64 `json:"allocations"`
	// PriceLookupColdNS is over so many numbers that nothing stays in the caches.
	PriceLookupColdNS float64 `json:"price_lookup_cold_ns"`
	// RouteTableUS is one decision over the vendors' decks, with its order.
	RouteTableUS          float64 `json:"route_table_us"`
	RouteTableDecks       int     `json:"route_table_decks"`
	RouteTableAllocations float64 `json:"route_table_allocations"`
}

func (g ratingFigures) print(w io.Writer) {
	fmt.Fprintf(w, "import of %d rows     %.2f s (%d MB of CSV)\n", g.Rows, g.ImportSeconds, g.FileBytes>>20)
	fmt.Fprintf(w, "memory of the deck      %d MB\n", g.MemoryBytes>>20)
	fmt.Fprintf(w, "price of a number       %.0f ns, %.2f allocations; %.0f ns out of the caches\n", g.PriceLookupNS, g.Allocations, g.PriceLookupColdNS)
	fmt.Fprintf(w, "route over %d decks     %.1f us, %.1f allocations\n", g.RouteTableDecks, g.RouteTableUS, g.RouteTableAllocations)
}

func benchRating(ctx context.Context, c *console, args []string) error {
	f := c.flags("bench rating", "a large deck: import, look-ups, route tables")
	output := f.String("o", "text", "text or json")
	dir := f.String("dir", "", "where to put the store; default: the system's temporary directory")
	rows := f.Int("rows", 1_000_000, "rows of the large deck")
	decks := f.Int("decks", 50, "vendors' decks that a route is made over")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if *rows < 1 || *rows > rating.MaxRows || *decks < 1 || *decks > 1000 {
		return usageError{fmt.Errorf("rows are 1 to %d, decks 1 to 1000", rating.MaxRows)}
	}
	temp, err := os.MkdirTemp(*dir, "tollbook-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	g := ratingFigures{Rows: *rows, Cores: runtime.NumCPU(), RouteTableDecks: *decks}
	if err := g.measure(ctx, temp); err != nil {
		return err
	}
	if *output == "json" {
		return c.json(g)
	}
	g.print(c.out)
	return nil
}

func (g *ratingFigures) measure(ctx context.Context, dir string) error {
	quiet := slog.New(slog.DiscardHandler)
	server, err := cluster.Start(ctx, cluster.Options{Dir: dir, Node: "bench", Logger: quiet})
	if err != nil {
		return err
	}
	defer server.Stop()
	blobs, err := node.OpenBlobs(ctx, server.Conn())
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, 1))
	file, prefixes := largeDeck(r, g.Rows)
	g.FileBytes = len(file)
	tables := lookup.New(blobs, quiet)
	defer tables.Close()
	table, err := g.load(ctx, file, blobs, tables)
	if err != nil {
		return err
	}
	if err := g.prices(r, table, prefixes); err != nil {
		return err
	}
	return g.routes(r, prefixes)
}

// load imports the file as a node does, and waits until its prices are in force.
func (g *ratingFigures) load(ctx context.Context, file []byte, blobs *node.Blobs, tables *lookup.Tables) (*rating.Table, error) {
	before := heap()
	began := time.Now()
	now := time.Now()
	version, err := storeDeck(ctx, file, blobs, 1)
	if err != nil {
		return nil, err
	}
	version.EffectiveFromUs = now.UnixMicro()
	cat := world(&wire.Deck{Id: largeDeckID, Currency: "USD", Decimals: 6}, version)
	if err := tables.Follow(ctx, cat, now); err != nil {
		return nil, err
	}
	g.ImportSeconds = time.Since(began).Seconds()
	g.MemoryBytes = heap() - before
	return tables.World().Deck(largeDeckID), nil
}

const largeDeckID = "large"

// storeDeck reads and checks a list of prices and stores its canonical rows, for a
// version that names them.
func storeDeck(ctx context.Context, file []byte, blobs *node.Blobs, number uint64) (*wire.DeckVersion, error) {
	rows, err := rating.ParseCSV(file)
	if err != nil {
		return nil, err
	}
	canonical := rating.Canonical(rows)
	digest := sha256.Sum256(canonical)
	if err := blobs.Put(ctx, digest, canonical); err != nil {
		return nil, err
	}
	return &wire.DeckVersion{
		Id: catalog.VersionID(largeDeckID, number), Deck: largeDeckID, Number: number, Digest: digest[:], Rows: uint32(len(rows)),
	}, nil
}

// heap is what is in use after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// prices measures the look-up of numbers' terms, drawn over the whole deck: of the
// 4096 that an hour's traffic goes to, and of a quarter million. A first round
// makes the terms that later calls share.
func (g *ratingFigures) prices(r *rand.Rand, t *rating.Table, prefixes []string) (err error) {
	if g.PriceLookupNS, g.Allocations, err = price(r, t, prefixes, 1<<12); err != nil {
		return err
	}
	g.PriceLookupColdNS, _, err = price(r, t, prefixes, 1<<18)
	return err
}

func price(r *rand.Rand, t *rating.Table, prefixes []string, numbers int) (ns, allocations float64, err error) {
	queries := make([]rating.Query, numbers)
	for i := range queries {
		queries[i] = rating.Query{Called: prefixes[r.IntN(len(prefixes))] + strconv.Itoa(r.IntN(100_000))}
	}
	missing := 0
	once := func() {
		for i := range queries {
			if _, ok := t.Price(queries[i]); !ok {
				missing++
			}
		}
	}
	once()
	ns, allocations = timed(max(2, 1<<20/numbers), len(queries), once)
	if missing > 0 {
		return 0, 0, errors.New("a price was not found")
	}
	return ns, allocations, nil
}

// timed gives the nanoseconds and allocations of one operation, in the best of
// several rounds: what else runs on the machine only makes them longer.
func timed(rounds, operations int, round func()) (ns, allocations float64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	best := time.Duration(1 << 62)
	for range rounds {
		began := time.Now()
		round()
		best = min(best, time.Since(began))
	}
	runtime.ReadMemStats(&after)
	n := float64(operations)
	return float64(best.Nanoseconds()) / n, float64(after.Mallocs-before.Mallocs) / n / float64(rounds)
}

// routes measures decisions among vendors who all have a price for the number.
func (g *ratingFigures) routes(r *rand.Rand, prefixes []string) error {
	entities := []any{
		&wire.Company{Id: "customer"}, &wire.Account{Id: "customer", Company: "customer", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER},
		&wire.RoutePlan{Id: "plan"}, &wire.Deck{Id: "sell", Currency: "USD"},
	}
	sell := &wire.Deck{Id: "sell", Currency: "USD", Decimals: 6}
	tables := map[string]*rating.Table{"sell": deckTable(sell, r, 2)}
	for i := range g.RouteTableDecks {
		id := fmt.Sprintf("v%03d", i)
		deck := &wire.Deck{Id: id, Currency: "USD", Decimals: 6}
		tables[id] = deckTable(deck, r, 1)
		entities = append(entities, &wire.Company{Id: id}, deck,
			&wire.Account{Id: id, Company: id, Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_VENDOR},
			&wire.Terminator{Id: id, Company: id, Account: id, BuyDeck: id, Host: "192.0.2.1"})
		for digit := 1; digit <= 9; digit++ {
			prefix := strconv.Itoa(digit)
			entities = append(entities, &wire.Route{Id: catalog.RouteID("plan", prefix, id), Plan: "plan", Prefix: prefix, Terminator: id})
		}
	}
	o := &wire.Originator{Id: "o", Company: "customer", Account: "customer", SellDeck: "sell", RoutePlan: "plan", Networks: []string{"192.0.2.0/24"}}
	w := routing.Compile(world(append(entities, o)...), tables)
	requests := make([]routing.Request, 4096)
	for i := range requests {
		requests[i] = routing.Request{Originator: o, Called: prefixes[r.IntN(len(prefixes))] + "12345", AtUS: 1}
	}
	none := 0
	once := func() {
		for i := range requests {
			if d := w.Route(requests[i]); len(d.Candidates) == 0 {
				none++
			}
		}
	}
	once()
	ns, allocations := timed(3, len(requests), once)
	g.RouteTableUS, g.RouteTableAllocations = ns/1000, allocations
	if none > 0 {
		return errors.New("a route was not found")
	}
	return nil
}

// deckTable is a deck of 10,000 rows that has a price for every number.
func deckTable(d *wire.Deck, r *rand.Rand, times int) *rating.Table {
	var b bytes.Buffer
	b.WriteString("prefix,price\n")
	for i := 1; i <= 9; i++ {
		fmt.Fprintf(&b, "%d,0.%04d\n", i, times*(100+r.IntN(50)))
	}
	for i := 1000; i < 10_000; i++ {
		fmt.Fprintf(&b, "%d,0.%04d\n", i, times*(100+r.IntN(50)))
	}
	rows, err := rating.ParseCSV(b.Bytes())
	if err != nil {
		panic(err) // it was made here
	}
	return rating.NewTable(d, &wire.DeckVersion{Number: 1}, rows)
}

// largeDeck writes a deck as a carrier sends it, not sorted, with every column
// that people use.
func largeDeck(r *rand.Rand, n int) ([]byte, []string) {
	var b bytes.Buffer
	b.WriteString("prefix,destination,price_first,price_next,increments,connect_fee\n")
	seen, prefixes := make(map[string]bool, n), make([]string, 0, n)
	for len(prefixes) < n {
		p := strconv.Itoa(1 + r.IntN(9))
		for range 2 + r.IntN(8) {
			p += strconv.Itoa(r.IntN(10))
		}
		if seen[p] {
			continue
		}
		seen[p] = true
		prefixes = append(prefixes, p)
		fmt.Fprintf(&b, "%s,Destination %d mobile,0.%05d,0.%05d,30/6/0,0.01\n", p, len(prefixes)%4000, r.IntN(99_999), r.IntN(99_999))
	}
	return b.Bytes(), prefixes
}

// world is a catalog of entities.
func world(entities ...any) *catalog.State {
	set := &wire.ChangeSetAccepted{}
	for _, e := range entities {
		set.Changes = append(set.Changes, &wire.Change{Entity: catalog.EntityOf(e)})
	}
	return catalog.New().Evolve(1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: set}})
}
