package journal

import (
	"cmp"
	"errors"
	"slices"

	"github.com/tollbook/tollbook/events/cluster"
)

// Explain turns the damage that cluster.Start found in the files of a data
// directory into the place of a journal, which heads.log knows: a *Broken. Other
// errors, and damage about which nothing is remembered, stay as they are.
func Explain(dir string, err error) error {
	heads, unread := ReadHeads(dir)
	if unread != nil {
		return err
	}
	return heads.explain(err)
}

func (s HeadSet) explain(err error) error {
	var damage *cluster.DamagedError
	if !errors.As(err, &damage) {
		return err
	}
	known := slices.Concat(s.trims, s.heads)
	known = slices.DeleteFunc(known, func(h Head) bool { return h.Stream != damage.Stream })
	if len(known) == 0 {
		return err
	}
	slices.SortFunc(known, func(a, b Head) int { return cmp.Compare(a.Sequence, b.Sequence) })
	i := slices.IndexFunc(known, func(h Head) bool { return h.Sequence >= damage.Sequence })
	journal := known[max(i, 0)].Journal
	if i < 0 { // Behind all that is remembered.
		i, journal = len(known), known[len(known)-1].Journal
	}
	at := Cursor{}
	for _, h := range known[:i] {
		if h.Journal == journal {
			at = h.Cursor()
		}
	}
	wrong := at.broken(journal, damage.Sequence, "%s, byte %d: %s", damage.File, damage.Offset, damage.Reason)
	return wrong
}
