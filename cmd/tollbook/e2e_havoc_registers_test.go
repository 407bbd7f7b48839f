//go:build linux

package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// register is a company that one client alone changes, each time from the version that it
// last made. All that was ever said of it was a yes, so every further answer is known.
type register struct {
	base, key string
	version   string // the newest, "0" before the first
	old       string // the one before, "" without one
	name      string // what the newest says
	confirmed int
}

// swap changes a register through a node, or tries it from a version that is no more. An
// answer that contradicts what was confirmed is noted; one that leaves open what happened
// gives another register.
func (h *havoc) swap(ctx context.Context, own *rand.Rand, r register, seq int) register {
	h.mu.Lock()
	url := h.urls[h.names()[own.IntN(3)]]
	h.mu.Unlock()
	stale := r.old != "" && own.IntN(3) == 0
	from, name := r.version, fmt.Sprint("value ", seq)
	if stale {
		from, name = r.old, "from a version that is no more"
	}
	var answer struct {
		CompanyPut struct {
			Company    *struct{ Version string }
			UserErrors []struct{ Code, Message string }
		}
	}
	err := post(ctx, url, `mutation ($in: CompanyPutInput!) { companyPut(input: $in) { company { version } userErrors { code message } } }`,
		map[string]any{"in": map[string]any{"key": r.key, "name": name, "expectedVersion": from}}, &answer)
	put := answer.CompanyPut
	refused := err == nil && slices.ContainsFunc(put.UserErrors, func(e struct{ Code, Message string }) bool {
		return e.Code == "CONFLICT" || e.Code == "NOT_FOUND" || e.Code == "INVALID"
	})
	accepted := err == nil && len(put.UserErrors) == 0 && put.Company != nil
	switch {
	case accepted && stale:
		h.contradicts("%s at version %s takes a change of version %s", r.key, r.version, from)
	case refused && !stale:
		h.contradicts("%s at version %s refuses a change of it: %v", r.key, r.version, put.UserErrors)
	case accepted:
		h.swapped()
		return register{base: r.base, key: r.key, version: put.Company.Version, old: r.version, name: name, confirmed: r.confirmed + 1}
	case refused, stale:
		return r
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unsure++
	return newRegister(r.base, seq)
}

func newRegister(base string, seq int) register {
	return register{base: base, key: fmt.Sprint(base, "-", seq), version: "0"}
}

// swapped counts a change that was confirmed.
func (h *havoc) swapped() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.swaps++
}

// contradicts notes an answer that cannot be right.
func (h *havoc) contradicts(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
}

// leaves notes a register that nobody will change any more.
func (h *havoc) leaves(r register) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.registers = append(h.registers, r)
}

// read compares the registers with what a node has.
func (h *havoc) read(t *testing.T, name string) {
	t.Helper()
	for _, r := range h.registers {
		if r.confirmed == 0 {
			continue
		}
		var answer struct {
			Company struct{ Name, Version string }
		}
		h.nodes[name].ask(t, &answer, `query ($id: ID!) { company(id: $id) { name version } }`, map[string]any{"id": "company:" + r.key})
		if c := answer.Company; c.Name != r.name || c.Version != r.version {
			t.Errorf("%s has %+v, and %q of version %s was confirmed", name, c, r.name, r.version)
		}
	}
}
