package auth

import (
	"strings"
	"testing"
)

func TestPasswords(t *testing.T) {
	hash, err := HashPassword("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %s", hash)
	}
	other, err := HashPassword("correct horse")
	if err != nil || other == hash {
		t.Errorf("the salt is missing: %v", err)
	}
	if !VerifyPassword(hash, "correct horse") || VerifyPassword(hash, "correct horsf") || VerifyPassword(hash, "") {
		t.Error("verification is wrong")
	}
	if VerifyPassword(decoy(), "") || VerifyPassword("", "") || VerifyPassword("plain", "plain") {
		t.Error("something that is no hash was verified")
	}
	for _, password := range []string{"", "ninechars", strings.Repeat("x", maxPassword+1)} {
		if _, err := HashPassword(password); err == nil {
			t.Errorf("a password of %d bytes was taken", len(password))
		}
	}
}

// TestPlantedHash refuses hashes that would cost the switch its memory or time.
func TestPlantedHash(t *testing.T) {
	for _, planted := range []string{
		"$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OTAxMjM0NQ",
		"$argon2id$v=19$m=65536,t=1000,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OTAxMjM0NQ",
		"$argon2id$v=19$m=65536,t=1,p=0$c29tZXNhbHQ$MDEyMzQ1Njc4OTAxMjM0NQ",
		"$argon2i$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OTAxMjM0NQ",
		"$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$",
	} {
		if _, err := parsePHC(planted); err == nil {
			t.Errorf("%s was taken", planted)
		}
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add(decoy())
	f.Add("$argon2id$v=19$m=1,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OTAxMjM0NQ")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(s)
		if err == nil && (p.memory > maxMemoryKiB || p.time > maxTime || p.threads > maxThreads) {
			t.Errorf("%q passes the bounds", s)
		}
	})
}
