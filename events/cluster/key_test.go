package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKeyWrapsForOneName(t *testing.T) {
	dir := t.TempDir()
	k, err := OpenKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := k.Wrap("terminator a", []byte("geheim"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if secret, err := again.Unwrap("terminator a", wrapped); err != nil || string(secret) != "geheim" {
		t.Fatalf("Unwrap = %q, %v", secret, err)
	}
	if _, err := again.Unwrap("terminator b", wrapped); err == nil {
		t.Error("a secret could be unwrapped under another name")
	}
	other, err := OpenKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Unwrap("terminator a", wrapped); err == nil {
		t.Error("another key unwraps the secret")
	}
	if _, err := again.Unwrap("terminator a", wrapped[:5]); err == nil {
		t.Error("a cut secret was accepted")
	}
}

func TestKeyFileMustBeWhole(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, KeyFile), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKey(dir); err == nil {
		t.Error("a key of three digits was accepted")
	}
}

// TestDerive: secrets of two keys or two purposes have nothing in common.
func TestDerive(t *testing.T) {
	dir := t.TempDir()
	key, err := OpenKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadKey(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	derive := func(k *Key, purpose string) string {
		secret, err := k.Derive(purpose)
		if err != nil || len(secret) != 32 {
			t.Fatal(secret, err)
		}
		return string(secret)
	}
	files := derive(key, "files")
	if derive(again, "files") != files {
		t.Error("the same key has two secrets")
	}
	if derive(key, "others") == files || derive(other, "files") == files {
		t.Error("two secrets are one")
	}
	if _, err := ReadKey(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a key that is not there was read")
	}
}
