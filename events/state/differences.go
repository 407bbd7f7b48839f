package state

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tollbook/tollbook/events/wire"
)

// Differences tells for a person what stands in only one of two snapshots of the book, as
// many as most: "+" is only in the first, "-" only in the second.
func Differences(a, b []byte, most int) ([]string, error) {
	one, other := new(wire.BookSnapshot), new(wire.BookSnapshot)
	for m, raw := range map[*wire.BookSnapshot][]byte{one: a, other: b} {
		if err := proto.Unmarshal(raw, m); err != nil {
			return nil, fmt.Errorf("read snapshot of the book: %w", err)
		}
	}
	all, fields := []string{}, one.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		ours, theirs := parts(one, f), parts(other, f)
		for text := range ours {
			if !theirs[text] {
				all = append(all, "+ "+text)
			}
		}
		for text := range theirs {
			if !ours[text] {
				all = append(all, "- "+text)
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(a[2:], b[2:]), cmp.Compare(a, b)) })
	if left := len(all) - most; left > 0 {
		all = append(all[:most], fmt.Sprintf("and %d more", left))
	}
	return all, nil
}

// parts are what a field holds, each as text; a list's elements are parts of their own.
func parts(m *wire.BookSnapshot, f protoreflect.FieldDescriptor) map[string]bool {
	out, value := map[string]bool{}, m.ProtoReflect().Get(f)
	if !f.IsList() {
		out[fmt.Sprintf("%s: %v", f.Name(), value)] = true
		return out
	}
	for i := range value.List().Len() {
		if e, ok := value.List().Get(i).Interface().(protoreflect.Message); ok {
			out[fmt.Sprintf("%s: %s", f.Name(), prototext.MarshalOptions{}.Format(e.Interface()))] = true
		}
	}
	return out
}
