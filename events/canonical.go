package events

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Canonical appends the one encoding of a message that hashes are taken over:
// its set fields by rising number, each as number, then value; lengths and
// numbers as varints, maps by rising key. Protobuf's own encoding promises no
// such order, least of all between versions of its library.
func Canonical(dst []byte, m proto.Message) []byte {
	return appendMessage(dst, m.ProtoReflect())
}

func appendMessage(dst []byte, m protoreflect.Message) []byte {
	fields := m.Descriptor().Fields()
	var room [24]protoreflect.FieldDescriptor // most messages have no more fields set
	order := room[:0]
	for i := range fields.Len() {
		if fd := fields.Get(i); m.Has(fd) {
			order = append(order, fd)
		}
	}
	slices.SortFunc(order, func(a, b protoreflect.FieldDescriptor) int { return cmp.Compare(a.Number(), b.Number()) })
	dst = binary.AppendUvarint(dst, uint64(len(order)))
	for _, fd := range order {
		dst = binary.AppendUvarint(dst, uint64(fd.Number()))
		dst = appendField(dst, fd, m.Get(fd))
	}
	return dst
}

func appendField(dst []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch {
	case fd.IsMap():
		keys := make([]protoreflect.MapKey, 0, v.Map().Len())
		v.Map().Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
			keys = append(keys, k)
			return true
		})
		sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
		dst = binary.AppendUvarint(dst, uint64(len(keys)))
		for _, k := range keys {
			dst = appendValue(dst, fd.MapKey(), k.Value())
			dst = appendValue(dst, fd.MapValue(), v.Map().Get(k))
		}
	case fd.IsList():
		dst = binary.AppendUvarint(dst, uint64(v.List().Len()))
		for i := range v.List().Len() {
			dst = appendValue(dst, fd, v.List().Get(i))
		}
	default:
		dst = appendValue(dst, fd, v)
	}
	return dst
}

func appendValue(dst []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return appendMessage(dst, v.Message())
	case protoreflect.StringKind:
		return append(binary.AppendUvarint(dst, uint64(len(v.String()))), v.String()...)
	case protoreflect.BytesKind:
		return append(binary.AppendUvarint(dst, uint64(len(v.Bytes()))), v.Bytes()...)
	case protoreflect.BoolKind:
		if v.Bool() {
			return append(dst, 1)
		}
		return append(dst, 0)
	case protoreflect.EnumKind:
		return binary.AppendVarint(dst, int64(v.Enum()))
	case protoreflect.Int64Kind, protoreflect.Int32Kind:
		return binary.AppendVarint(dst, v.Int())
	case protoreflect.Uint64Kind, protoreflect.Uint32Kind:
		return binary.AppendUvarint(dst, v.Uint())
	default:
		panic(fmt.Sprintf("events: field %s has a kind that events do not use", fd.FullName()))
	}
}
