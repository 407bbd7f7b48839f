package challenge

import (
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func request() *sip.Request {
	req := sip.NewRequest(sip.REGISTER, sip.Uri{Scheme: "sip", Host: "example.net", UriParams: sip.HeaderParams{{K: "transport", V: "tcp"}}})
	req.AppendHeader(&sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "TCP", Host: "192.0.2.1", Params: sip.HeaderParams{{K: "branch", V: "z9hG4bK1"}}})
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 7, MethodName: sip.REGISTER})
	return req
}

func response(code int, challenges ...string) *sip.Response {
	res := sip.NewResponse(code, "x")
	name := "WWW-Authenticate"
	if code == 407 {
		name = "Proxy-Authenticate"
	}
	for _, c := range challenges {
		res.AppendHeader(sip.NewHeader(name, c))
	}
	return res
}

var part = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

func TestAnswer(t *testing.T) {
	md5sum := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	sha := func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	for _, c := range []struct {
		name      string
		res       *sip.Response
		algorithm string
		hash      func(string) string
	}{
		{"MD5", response(401, `Digest realm="r", nonce="n", qop="auth", algorithm=md5`), "MD5", md5sum},
		{"the stronger", response(401, `Digest realm="r", nonce="n", qop="auth"`, `Digest realm="r", nonce="n", qop="auth,auth-int", algorithm=SHA-256`,
			`Digest realm="r", nonce="n", algorithm=TOMORROW`, `Basic realm="r"`), "SHA-256", sha},
		{"a proxy's", response(407, `Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256`), "SHA-256", sha},
	} {
		req := request()
		if err := Answer(req, c.res, "anna", "secret"); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if req.CSeq().SeqNo != 8 || req.Via() != nil {
			t.Errorf("%s: CSeq %d, Via %v", c.name, req.CSeq().SeqNo, req.Via())
		}
		header := "Authorization"
		if c.res.StatusCode == 407 {
			header = "Proxy-Authorization"
		}
		got := map[string]string{}
		for _, m := range part.FindAllStringSubmatch(req.GetHeader(header).Value(), -1) {
			got[m[1]] = m[2]
		}
		want := c.hash(c.hash("anna:r:secret") + ":n:00000001:" + got["cnonce"] + ":auth:" + c.hash("REGISTER:sip:example.net;transport=tcp"))
		if got["algorithm"] != c.algorithm || got["response"] != want || got["nc"] != "00000001" {
			t.Errorf("%s: %v, want response %s", c.name, got, want)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	for _, res := range []*sip.Response{
		response(403), response(401), response(401, "Basic realm=\"r\""), response(401, `Digest realm="r", nonce="n", algorithm=TOMORROW`),
	} {
		if err := Answer(request(), res, "u", "p"); !errors.Is(err, ErrNone) {
			t.Errorf("%v: %v", res, err)
		}
	}
	stale := response(401, `Digest realm="r", nonce="n", stale=TRUE`)
	if !Stale(stale) || Stale(response(401, `Digest realm="r", nonce="n"`)) || !Is(stale) || Is(response(403)) {
		t.Error("stale and challenges are not told apart")
	}
	if strings.Contains(fmt.Sprint(request()), "Authorization") {
		t.Error("the request was not fresh")
	}
}
