package server_test

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	signIn       = `mutation($i: SignInInput!) { signIn(input: $i) { viewer { actor role secondFactor { on required recoveryCodes } } codeNeeded userErrors { code } } }`
	beginFactor  = `mutation($p: String!) { secondFactorBegin(input: {password: $p}) { secret uri userErrors { code message } } }`
	finishFactor = `mutation($c: String!) { secondFactorConfirm(input: {code: $c}) { recoveryCodes userErrors { code message } } }`
)

// phone is an authenticator, written apart from ours.
func phone(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

func (c *client) signIn(user, code string) tree {
	return c.must(signIn, map[string]any{"i": map[string]any{"user": user, "password": password, "code": code}})
}

// TestSecondFactor: set up, asked for, taken once, lost, recovered, reset.
func TestSecondFactor(t *testing.T) {
	now := noon()
	f := newFixture(t, func() time.Time { return now })
	c := f.as("fiona")
	if got := c.must(finishFactor, map[string]any{"c": "123456"}); got.text("secondFactorConfirm.userErrors.0.code") != "CONFLICT" {
		t.Errorf("confirmed before it began: %v", got)
	}
	if got := c.must(beginFactor, map[string]any{"p": "wrong horse"}); got.text("secondFactorBegin.userErrors.0.code") != "FORBIDDEN" {
		t.Errorf("without the password: %v", got)
	}
	got := c.must(beginFactor, map[string]any{"p": password})
	secret := got.text("secondFactorBegin.secret")
	if !strings.HasPrefix(got.text("secondFactorBegin.uri"), "otpauth://totp/Tollbook:fiona?") || !strings.Contains(got.text("secondFactorBegin.uri"), "secret="+secret) {
		t.Fatalf("%v", got)
	}
	if in := f.client().signIn("fiona", ""); in.text("signIn.viewer.actor") != "user:fiona" {
		t.Errorf("what is not confirmed counts: %v", in)
	}
	got = c.must(finishFactor, map[string]any{"c": phone(t, secret, now)})
	recovery, _ := got.at("secondFactorConfirm.recoveryCodes").([]any)
	if len(recovery) != 10 {
		t.Fatalf("%v", got)
	}
	now = now.Add(time.Minute)
	for _, step := range []struct {
		name, code string
		in, needed bool
	}{
		{"no code", "", false, true},
		{"another code", "000000", false, false},
		{"the clock is two steps wrong", phone(t, secret, now.Add(-time.Minute)), false, false},
		{"the clock is a step late", phone(t, secret, now.Add(-30*time.Second)), true, false},
		{"the code", phone(t, secret, now), true, false},
		{"the same code again", phone(t, secret, now), false, false},
		{"an earlier one", phone(t, secret, now.Add(-30*time.Second)), false, false},
		{"a recovery code", strings.ToUpper(recovery[3].(string)), true, false},
		{"the same recovery code", recovery[3].(string), false, false},
	} {
		in := f.client().signIn("fiona", step.code)
		if (in.text("signIn.viewer.actor") != "") != step.in || in.at("signIn.codeNeeded") != step.needed {
			t.Errorf("%s: %v", step.name, in)
		}
		if step.in && step.name == "a recovery code" && in.at("signIn.viewer.secondFactor.recoveryCodes") != float64(9) {
			t.Errorf("%v", in)
		}
	}
	root := f.as("root")
	audit := root.send(root.request(`{ audit(first: 5, kind: CHANGE) { nodes { actor note changes { before after } } } }`, nil)).Body.String()
	if strings.Contains(audit, "wrapped for") || !strings.Contains(audit, "a recovery code of fiona used") || strings.Contains(audit, `recovery\"`) {
		t.Errorf("the audit: %s", audit)
	}
	const reset = `mutation($r: String!) { secondFactorReset(input: {user: "fiona", reason: $r}) { user { secondFactorOn } userErrors { code } } }`
	f.as("noel").refused("FORBIDDEN", reset, map[string]any{"r": "x"})
	if got := root.must(reset, map[string]any{"r": ""}); got.text("secondFactorReset.userErrors.0.code") != "INVALID" {
		t.Errorf("without a reason: %v", got)
	}
	if got := root.must(reset, map[string]any{"r": "the telephone was lost"}); got.at("secondFactorReset.user.secondFactorOn") != false {
		t.Errorf("%v", got)
	}
	now = now.Add(time.Hour)
	if in := f.client().signIn("fiona", ""); in.text("signIn.viewer.actor") == "" {
		t.Errorf("after the reset: %v", in)
	}
}

// TestSecondFactorRequired: whoever must have one can do nothing else before.
func TestSecondFactorRequired(t *testing.T) {
	now := noon()
	f := newFixture(t, func() time.Time { return now })
	noel := f.as("noel")
	if got := f.as("root").must(`mutation { settingsPut(input: {secondFactorRoles: [NOC, PARTNER]}) { settings { secondFactorRoles } } }`, nil); got.len("settingsPut.settings.secondFactorRoles") != 2 {
		t.Fatalf("%v", got)
	}
	noel.refused("FORBIDDEN", `{ liveCalls(first: 1) { nodes { id } } }`, nil)
	adam := f.as("adam")
	for _, query := range []string{`{ accounts(first: 5) { nodes { id } } }`, `{ node(id: "account:acme-usd") { id } }`} {
		adam.refused("FORBIDDEN", query, nil)
	}
	if got := adam.must(`{ viewer { actor company { key } secondFactor { on required } } }`, nil); got.at("viewer.secondFactor.required") != true || got.at("viewer.company") != nil {
		t.Errorf("%v", got)
	}
	if w := adam.send(httptest.NewRequest(http.MethodGet, "/export/cdrs.csv", nil)); w.Body.Len() != 0 {
		t.Errorf("an export: %d bytes", w.Body.Len())
	}
	secret := adam.must(beginFactor, map[string]any{"p": password}).text("secondFactorBegin.secret")
	adam.must(finishFactor, map[string]any{"c": phone(t, secret, now)})
	if got := adam.must(`{ accounts(first: 5) { nodes { id } } }`, nil); got.len("accounts.nodes") != 1 {
		t.Errorf("after setting it up: %v", got)
	}
	f.as("fiona").must(`{ accounts(first: 5) { nodes { id } } }`, nil)
}
