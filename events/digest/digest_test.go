package digest

import (
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The examples of RFC 7616, section 3.9.1, have another realm than ours.
func TestRFC7616(t *testing.T) {
	for algorithm, want := range map[Algorithm]string{
		MD5:    "8ca523f5e9506fed4657c9700eebdbec",
		SHA256: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		a := Answer{
			Username: "Mufasa", Realm: "http-auth@example.org", URI: "/dir/index.html", Algorithm: algorithm,
			Nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", NC: "00000001", Count: 1,
			CNonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", QOP: "auth",
		}
		var s Secret
		for i, text := range []string{"3d78807defe7de2157e2b0b6573a855f", "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"} {
			b, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				copy(s.MD5[:], b)
			} else {
				copy(s.SHA256[:], b)
			}
		}
		if got := a.expected(s, "GET"); got != want {
			t.Errorf("%s: %s, want %s", algorithm, got, want)
		}
	}
}

func TestSecret(t *testing.T) {
	s, err := SecretOf("alice", "wonderland", Realm)
	if err != nil {
		t.Fatal(err)
	}
	again, err := SecretFrom(s.Bytes())
	if err != nil || again != s {
		t.Errorf("%v, %v", again, err)
	}
	if first, err := SecretFrom(s.Bytes()[:secretLen]); err != nil || first.Realm != firstRealm {
		t.Errorf("a secret from before there were realms: %v, %v", first, err)
	}
	if elsewhere, err := SecretOf("alice", "wonderland", "home.test"); err != nil || elsewhere.MD5 == s.MD5 {
		t.Error("two realms have one secret")
	}
	other, err := SecretOf("alicf", "wonderland", Realm)
	if err != nil || other == s {
		t.Error("two users have one secret")
	}
	for _, password := range []string{"", strings.Repeat("x", MaxPassword+1)} {
		if _, err := SecretOf("alice", password, Realm); err == nil {
			t.Errorf("a password of %d bytes is taken", len(password))
		}
	}
	if _, err := SecretFrom(s.Bytes()[:secretLen-1]); err == nil {
		t.Error("a short secret is taken")
	}
}

// What a client signs and writes is read and found right, and nothing else is.
func TestAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~]{1,20}`)
		user := rapid.StringMatching(`[a-z0-9.]{1,10}`).Draw(t, "user")
		a := Answer{
			Username: user, Realm: Realm, Nonce: rapid.StringMatching(`[A-Za-z0-9_-]{1,44}`).Draw(t, "nonce"),
			URI: "sip:" + user + "@tollbook", Algorithm: rapid.SampledFrom([]Algorithm{MD5, SHA256}).Draw(t, "algorithm"),
		}
		if rapid.Bool().Draw(t, "qop") {
			a.QOP, a.NC, a.Count, a.CNonce = "auth", "0000000a", 10, text.Draw(t, "cnonce")
		}
		password := text.Draw(t, "password")
		s, err := SecretOf(user, password, Realm)
		if err != nil {
			t.Fatal(err)
		}
		a.Sign(s, "REGISTER")
		read, err := Parse(a.Header())
		if err != nil {
			t.Fatalf("%v: %s", err, a.Header())
		}
		if read != a {
			t.Fatalf("read %+v, wrote %+v", read, a)
		}
		if !read.Right(s, "REGISTER") {
			t.Fatal("a right answer is refused")
		}
		if read.Right(s, "INVITE") {
			t.Fatal("an answer for another method is taken")
		}
		wrong, err := SecretOf(user, password+"x", Realm)
		if err != nil && len(password) < MaxPassword {
			t.Fatal(err)
		}
		if err == nil && read.Right(wrong, "REGISTER") {
			t.Fatal("an answer with another password is taken")
		}
	})
}

func TestParseRefuses(t *testing.T) {
	whole := `Digest username="a", realm="tollbook", nonce="n", uri="sip:a", response="00"`
	if _, err := Parse(whole); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "Basic YTpi", "Digest", "Digest ", whole[:20], whole + `, username="b"`, whole + `, qop=auth-int, nc=00000001, cnonce="x"`,
		whole + `, qop=auth`, whole + `, qop=auth, nc=1, cnonce="x"`, whole + `, qop=auth, nc=zzzzzzzz, cnonce="x"`, whole + `, algorithm=SHA-512-256`,
		whole + `, algorithm=MD5-sess`, whole + `, x`, whole + ` y="1"`, `Digest username="a\`, strings.Replace(whole, `"a"`, `"`+strings.Repeat("a", 600)+`"`, 1),
	} {
		if a, err := Parse(text); err == nil {
			t.Errorf("%q is read as %+v", text, a)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`Digest username="a\"b", realm = "r" ,nonce=n, uri="sip:a", response="00", qop=auth, nc=00000001, cnonce=""`)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			return
		}
		if a.Username == "" && !strings.Contains(text, "sername") {
			t.Errorf("%q has a user from nowhere", text)
		}
	})
}

func TestChallenge(t *testing.T) {
	if got, want := Challenge(SHA256, "home.test", "n", true), `Digest realm="home.test", nonce="n", algorithm=SHA-256, qop="auth", stale=true`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
