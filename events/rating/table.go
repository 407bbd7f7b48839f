package rating

import "github.com/tollbook/tollbook/events/wire"

// Table is one version of a deck, compiled for looking prices up. It never
// changes and may be read from any goroutine.
type Table struct {
	deck    *wire.Deck
	version *wire.DeckVersion
	rows    []Row
	nodes   []node
}

// node is one digit's place in the tree of prefixes. Children and row are
// indices; 0 is none, since node 0 is the root and rows count from 1.
type node struct {
	child [10]uint32
	row   uint32
}

// NewTable compiles rows that are sorted by prefix.
func NewTable(d *wire.Deck, v *wire.DeckVersion, rows []Row) *Table {
	t := &Table{deck: d, version: v, rows: rows, nodes: make([]node, 1, len(rows)*2+1)}
	for i := range rows {
		at := uint32(0)
		for _, digit := range []byte(rows[i].Prefix) {
			next := t.nodes[at].child[digit-'0']
			if next == 0 {
				next = uint32(len(t.nodes))
				t.nodes = append(t.nodes, node{})
				t.nodes[at].child[digit-'0'] = next
			}
			at = next
		}
		t.nodes[at].row = uint32(i + 1)
	}
	return t
}

// Lookup finds the row with the longest prefix of a number's digits.
func (t *Table) Lookup(digits string) (row *Row, number int, ok bool) {
	at, found := uint32(0), uint32(0)
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			break
		}
		at = t.nodes[at].child[d]
		if at == 0 {
			break
		}
		if r := t.nodes[at].row; r != 0 {
			found = r
		}
	}
	if found == 0 {
		return nil, 0, false
	}
	return &t.rows[found-1], int(found), true
}

// Terms are the price terms of a number, if the deck has a price for it.
func (t *Table) Terms(digits string) (*wire.Terms, bool) {
	row, n, ok := t.Lookup(digits)
	if !ok || row.Blocked {
		return nil, false
	}
	return row.Terms(t.deck, t.version, n), true
}

// Rows are the version's rows, sorted by prefix; they must not be changed.
func (t *Table) Rows() []Row { return t.rows }

// Version is the deck version that the table was compiled from.
func (t *Table) Version() *wire.DeckVersion { return t.version }

// Deck is the deck that the table belongs to.
func (t *Table) Deck() *wire.Deck { return t.deck }
