package rating

import (
	"math/bits"
	"strings"
)

// keyDigits is how many of a prefix's digits stand in its key.
const keyDigits = 16

// prefixes finds the longest prefix of a number: of the sorted prefixes the last
// one that is not behind the number is the longest one of it, or lies below it.
// So one search and a climb along the parents are enough, in arrays without
// pointers.
type prefixes struct {
	keys   []uint64 // sorted, one for each prefix
	parent []uint32 // the next shorter prefix of each, counted from 1; 0 is none
	group  []uint32 // the first row of each
	text   []string // the prefixes themselves, if one is longer than its key
	start  []uint32 // where keys begin whose highest bits are the index
	shift  uint
	// variants tells that a prefix may have several rows, or one that does not fit.
	variants bool
}

// keyOf packs digits from the top down, four bits each, one more than the digit,
// so that a prefix comes before all that begin with it.
func keyOf(digits string) (key uint64, length int) {
	for length < len(digits) && length < keyDigits {
		d := digits[length] - '0'
		if d > 9 {
			break
		}
		length++
		key |= uint64(d+1) << (64 - 4*length)
	}
	return key, length
}

func newPrefixes(rows []Row) *prefixes {
	p := &prefixes{keys: make([]uint64, 0, len(rows)), parent: make([]uint32, 0, len(rows)), group: make([]uint32, 0, len(rows))}
	long := false
	var path []uint32 // the chain of prefixes above the present one
	for i := range rows {
		r := &rows[i]
		long = long || len(r.Prefix) > keyDigits
		p.variants = p.variants || r.Band != "" || r.Origin != "" || r.MinLength > 0 || r.MaxLength > 0
		if i > 0 && rows[i-1].Prefix == r.Prefix {
			p.variants = true
			continue
		}
		for len(path) > 0 && !strings.HasPrefix(r.Prefix, rows[p.group[path[len(path)-1]-1]].Prefix) {
			path = path[:len(path)-1]
		}
		up := uint32(0)
		if len(path) > 0 {
			up = path[len(path)-1]
		}
		key, _ := keyOf(r.Prefix)
		p.keys, p.parent, p.group = append(p.keys, key), append(p.parent, up), append(p.group, uint32(i))
		path = append(path, uint32(len(p.keys)))
	}
	if long {
		for _, g := range p.group {
			p.text = append(p.text, rows[g].Prefix)
		}
	}
	p.index()
	return p
}

// index notes where the keys of each beginning start, in a table that is not
// larger than the keys are.
func (p *prefixes) index() {
	width := min(20, bits.Len(uint(len(p.keys)))&^3)
	p.shift = uint(64 - width)
	p.start = make([]uint32, 1<<width+1)
	at := 0
	for i := range p.start {
		for at < len(p.keys) && p.keys[at]>>p.shift < uint64(i) {
			at++
		}
		p.start[i] = uint32(at)
	}
	p.start[len(p.start)-1] = uint32(len(p.keys))
}

// longest is the longest prefix of a number, counted from 1; 0 is none.
func (p *prefixes) longest(digits string) uint32 {
	key, length := keyOf(digits)
	bucket := key >> p.shift
	low, high := p.start[bucket], p.start[bucket+1]
	for low < high { // the first key behind the number's
		mid := (low + high) / 2
		if p.keys[mid] > key {
			high = mid
		} else {
			low = mid + 1
		}
	}
	if p.text != nil {
		low = p.exactly(low, digits[:numeric(digits)], key)
		for low != 0 && !strings.HasPrefix(digits[:numeric(digits)], p.text[low-1]) {
			low = p.parent[low-1]
		}
		return low
	}
	for low != 0 {
		k := p.keys[low-1]
		empty := uint(bits.TrailingZeros64(k)) &^ 3
		if n := keyDigits - int(empty)/4; n <= length && (k^key)>>empty == 0 {
			return low
		}
		low = p.parent[low-1]
	}
	return 0
}

// exactly goes back over prefixes whose keys are cut off and equal, but that come
// behind the number.
func (p *prefixes) exactly(low uint32, digits string, key uint64) uint32 {
	for low != 0 && p.keys[low-1] == key && p.text[low-1] > digits {
		low--
	}
	return low
}

// numeric is how many digits a number begins with.
func numeric(s string) int {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return i
		}
	}
	return len(s)
}
