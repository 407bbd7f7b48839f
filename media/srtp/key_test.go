package srtp

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestKeysAreNotPrinted(t *testing.T) {
	k := drawn(t, AES128CM80)
	inner := struct {
		K Key
		p *Key
		k Key
	}{k, &k, k}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", k, "inner", inner)
	text := fmt.Sprintf("%v %+v %#v %s %x %v %+v %#v", k, k, k, k, k, inner, inner, inner) + log.String()
	for _, form := range []string{"%x", "%v", "%d", "%q"} {
		if secret := strings.Trim(fmt.Sprintf(form, *k.master), "[]\""); strings.Contains(text, secret) {
			t.Errorf("%s is in %s", form, text)
		}
	}
	if strings.Contains(text, k.Inline()) {
		t.Error(text)
	}
}

func TestKeyRefusals(t *testing.T) {
	good := strings.Repeat("A", 40)
	for _, c := range []struct {
		suite  Suite
		inline string
		want   error
	}{
		{AES128CM80, good, nil},
		{AES128CM80, good[:39], ErrKey},
		{AES128CM80, good + "AAAA", ErrKey},
		{AES128CM80, strings.Repeat("!", 40), ErrKey},
		{AES256GCM, good, ErrKey},
		{AES128GCM, strings.Repeat("A", 38), nil}, // 28 bytes, padding left out
		{"F8_128_HMAC_SHA1_80", good, ErrSuite},
	} {
		k, err := ParseKey(c.suite, c.inline)
		if !errors.Is(err, c.want) || k.IsZero() != (c.want != nil) {
			t.Errorf("%s %s: %v", c.suite, c.inline, err)
		}
	}
	var none Key
	a, b := drawn(t, AES128GCM), drawn(t, AES128GCM)
	if same := a; a.Equal(b) || !a.Equal(same) || a.Equal(none) || none.Equal(a) || !none.Equal(Key{}) {
		t.Error("keys are compared wrongly")
	}
}
