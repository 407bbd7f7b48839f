package resolve

import (
	"math"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/graphql/model"
)

// fields copies the parts of an edit that were given onto an entity and keeps
// the first mistake. A part left out keeps its value; null empties it.
type fields struct{ err error }

func (f *fields) fail(path string, err error) {
	if f.err == nil {
		f.err = events.Invalid("%v", err).At("input." + path)
	}
}

// value is what an optional input holds; nil if left out or null.
func value[T any](o graphql.Omittable[*T]) *T {
	v, _ := o.ValueOK()
	return v
}

// dry says whether a dry run was asked for.
func dry(o graphql.Omittable[*bool]) bool { return or(o, false) }

// or is the value of an optional input, or else a default.
func or[T any](o graphql.Omittable[*T], otherwise T) T {
	if v := value(o); v != nil {
		return *v
	}
	return otherwise
}

// set copies a value as it is.
func set[T any](to *T, o graphql.Omittable[*T]) {
	if !o.IsSet() {
		return
	}
	var zero T
	*to = or(o, zero)
}

// count copies a number that must not be negative.
func (f *fields) count(path string, to *uint32, o graphql.Omittable[*int]) {
	if !o.IsSet() {
		return
	}
	n := or(o, 0)
	if n < 0 {
		f.fail(path, events.Invalid("%d is negative", n))
		return
	}
	*to = uint32(n)
}

// decimal copies a number in units of 10^-places.
func (f *fields) decimal(path string, to *int64, o graphql.Omittable[*model.Decimal], places uint8) {
	if !o.IsSet() {
		return
	}
	n, err := or(o, model.Decimal{}).Scaled(places)
	if err != nil {
		f.fail(path, err)
		return
	}
	*to = n
}

// duration copies a length of time as a whole number of units.
func (f *fields) duration(path string, to *uint32, o graphql.Omittable[*time.Duration], unit time.Duration) {
	if !o.IsSet() {
		return
	}
	d := or(o, 0)
	if d%unit != 0 || d/unit > math.MaxUint32 {
		f.fail(path, events.Invalid("%v is too long or not a multiple of %v", d, unit))
		return
	}
	*to = uint32(d / unit)
}

// link copies the key of another entity.
func (f *fields) link(path string, to *string, kind catalog.Kind, o graphql.Omittable[*string]) {
	if o.IsSet() {
		*to = f.key(path, kind, or(o, ""))
	}
}

// optionalLink copies the key of another entity, or none for null.
func (f *fields) optionalLink(path string, to *string, kind catalog.Kind, o graphql.Omittable[*string]) {
	if o.IsSet() && o.Value() == nil {
		*to = ""
		return
	}
	f.link(path, to, kind, o)
}

// key is the key in an id of the kind.
func (f *fields) key(path string, kind catalog.Kind, id string) string {
	key, ok := model.Key(kind, id)
	if !ok {
		f.fail(path, events.Invalid("%.80q is not the id of a %s", id, kind))
	}
	return key
}

// effective is an optional instant as events keep it; 0 if left out.
func effective(o graphql.Omittable[*time.Time]) int64 {
	if at := value(o); at != nil {
		return events.Micros(*at)
	}
	return 0
}

// expect makes an expected version of our own.
func expect(p *events.Position) graphql.Omittable[*events.Position] {
	return graphql.OmittableOf(p)
}
