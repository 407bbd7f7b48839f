package auth

import (
	"bytes"
	"testing"
	"time"
)

// TestTOTP has the values of RFC 6238, appendix B, in six digits.
func TestTOTP(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := totp(secret, uint64(at/30)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
		for skew, good := range map[int64]bool{-60: false, -30: true, 0: true, 30: true, 60: false} {
			if _, ok := stepOf(secret, want, time.Unix(at+skew, 0)); ok != good && at > 60 {
				t.Errorf("at %d, %d seconds off: %v", at, skew, ok)
			}
		}
	}
	s := steps{last: map[string]uint64{}}
	if !s.take("a", 5) || s.take("a", 5) || s.take("a", 4) || !s.take("b", 5) || !s.take("a", 6) {
		t.Error("a code is taken twice, or not once")
	}
	codes, hashes, err := NewRecoveryCodes()
	if err != nil || len(codes) != recoveryCodes || !bytes.Equal(recoveryHash(" "+codes[0]+" "), hashes[0]) || bytes.Equal(hashes[0], hashes[1]) {
		t.Error(codes, err)
	}
}
