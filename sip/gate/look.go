package gate

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// A first look at a message's bytes, before the stack parses them. What the stack's
// parser drops in silence, or takes though RFC 3261 forbids it, is answered here
// without state, from the header lines as they came (RFC 4475, section 3.1.2).

// drop is the verdict on what is wrong and gets no answer.
var drop = &verdict{}

// handled are the methods that somebody behind the gate may know.
var handled = []string{
	"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "SUBSCRIBE",
	"MESSAGE", "PUBLISH",
}

// fields are what a first look takes from a message.
type fields struct {
	head   []byte
	method string
	// length is the Content-Length, -1 where there is none.
	length int
	wrong  *verdict
}

// look judges a message's head, the bytes up to its empty line. A response is only
// asked for its length.
func look(head []byte) fields {
	f := fields{head: head, length: -1}
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	response := bytes.HasPrefix(line, []byte("SIP/"))
	if response {
		f.method = "response"
	} else {
		f.startLine(string(line))
	}
	seen := uint(0)
	for len(rest) > 0 {
		line, rest = nextLine(rest)
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		f.header(kindOf(name), value, &seen)
	}
	if f.wrong != nil && (response || f.method == "ACK") {
		f.wrong = drop
	}
	return f
}

// nextLine gives a header's line with those that continue it.
func nextLine(b []byte) (line, rest []byte) {
	for end := 0; ; {
		n := bytes.Index(b[end:], []byte("\r\n"))
		if n < 0 {
			return b, nil
		}
		end += n + 2
		if end == len(b) || b[end] != ' ' && b[end] != '\t' {
			return b[:end-2], b[end:]
		}
	}
}

// kind is a header that is looked at.
type kind uint8

const (
	kindOther kind = iota
	kindVia
	kindFrom
	kindTo
	kindCallID
	kindContact
	kindCseq
	kindLength
	kindMaxForwards
	kindRoute
)

// kindOf knows a header by its long or short name.
func kindOf(name []byte) kind {
	var low [16]byte
	name = bytes.TrimSpace(name)
	if len(name) > len(low) {
		return kindOther
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	switch string(low[:len(name)]) {
	case "via", "v":
		return kindVia
	case "from", "f":
		return kindFrom
	case "to", "t":
		return kindTo
	case "call-id", "i":
		return kindCallID
	case "contact", "m":
		return kindContact
	case "cseq":
		return kindCseq
	case "content-length", "l":
		return kindLength
	case "max-forwards":
		return kindMaxForwards
	case "route", "record-route":
		return kindRoute
	}
	return kindOther
}

// String is how the header is usually written.
func (k kind) String() string {
	return [...]string{"header", "Via", "From", "To", "Call-ID", "Contact", "CSeq", "Content-Length", "Max-Forwards", "Route"}[k]
}

func (f *fields) refuse(code int, reason string) {
	if f.wrong == nil {
		f.wrong = &verdict{code, reason}
	}
}

// startLine checks method, address and version: one space between them, none else.
func (f *fields) startLine(line string) {
	parts := strings.Split(line, " ")
	f.method = parts[0]
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		f.refuse(400, "Bad Request Line")
		return
	}
	if !strings.EqualFold(parts[2], "SIP/2.0") {
		if strings.HasPrefix(parts[2], "SIP/") {
			f.refuse(505, "Version Not Supported")
		} else {
			f.refuse(400, "Bad Request Line")
		}
		return
	}
	f.address(parts[1])
	for _, m := range handled {
		if m == f.method {
			return
		}
	}
	f.refuse(501, "Not Implemented")
}

// address checks a Request-URI (RFC 3261, section 19.1.1).
func (f *fields) address(uri string) {
	scheme, rest, ok := strings.Cut(uri, ":")
	switch {
	case !ok || strings.ContainsAny(uri, `<>"`):
		f.refuse(400, "Bad Request-URI")
		return
	case strings.EqualFold(scheme, "tel"):
		return
	case !strings.EqualFold(scheme, "sip") && !strings.EqualFold(scheme, "sips"):
		f.refuse(416, "Unsupported URI Scheme")
		return
	}
	host := rest[strings.LastIndexByte(rest, '@')+1:]
	if strings.Contains(host, "?") {
		f.refuse(400, "Headers in the Request-URI")
	}
	host, _, _ = strings.Cut(host, ";")
	if !strings.HasPrefix(host, "[") && strings.Count(host, ":") > 1 {
		f.refuse(400, "IPv6 Address Without Brackets")
	}
}

// header checks one header, value being all behind its colon.
func (f *fields) header(k kind, value []byte, seen *uint) {
	switch k {
	case kindFrom, kindTo, kindCallID, kindCseq, kindMaxForwards, kindLength:
		if *seen&(1<<k) != 0 {
			f.refuse(400, "More Than One "+k.String())
			return
		}
		*seen |= 1 << k
	}
	switch k {
	case kindVia:
		if bytes.Contains(value, []byte(";;")) || bytes.Contains(value, []byte(";,")) {
			f.refuse(400, "Bad Via")
		}
	case kindFrom, kindTo, kindContact:
		f.party(k, value)
	case kindCseq:
		digits := bytes.TrimSpace(value)
		if end := bytes.IndexAny(digits, " \t\r"); end > 0 {
			digits = digits[:end]
		}
		if n, ok := count(digits); !ok || n > math.MaxInt32 {
			f.refuse(400, "Bad CSeq")
		}
	case kindMaxForwards:
		if n, ok := count(bytes.TrimSpace(value)); !ok || n > math.MaxUint8 {
			f.refuse(400, "Bad Max-Forwards")
		}
	case kindLength:
		n, ok := count(bytes.TrimSpace(value))
		if !ok || n > math.MaxInt32 {
			f.refuse(400, "Bad Content-Length")
			return
		}
		f.length = n
	}
}

// count reads digits, ten at most.
func count(digits []byte) (n int, ok bool) {
	if len(digits) == 0 || len(digits) > 10 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, true
}

// party checks an address of a From, To or Contact: its quotes end, and nothing but
// the address stands between the brackets.
func (f *fields) party(k kind, value []byte) {
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == ',' && k != kindContact && bytes.IndexByte(value[i:], '<') >= 0:
			f.refuse(400, "Bad Display Name in "+k.String())
		case !quoted && c == '<' && i+1 < len(value) && value[i+1] == ' ':
			f.refuse(400, "Space in "+k.String())
		}
	}
	if quoted {
		f.refuse(400, "Quote Without End in "+k.String())
	}
	// A Contact with headers must be in brackets, or they would be the Contact's own.
	if k == kindContact && bytes.IndexByte(value, '<') < 0 && bytes.IndexByte(value, '?') >= 0 {
		f.refuse(400, "Bad Contact")
	}
}

// answer is a response to what did not pass, nil for none and for what has no Via to
// answer by. It repeats the lines that tell whose it is, as they came.
func (f *fields) answer() []byte {
	if f.wrong == nil || f.wrong.code == 0 {
		return nil
	}
	var b bytes.Buffer
	b.WriteString("SIP/2.0 " + strconv.Itoa(f.wrong.code) + " " + f.wrong.reason + "\r\n")
	_, rest, _ := bytes.Cut(f.head, []byte("\r\n"))
	var line []byte
	seen := uint(0)
	for len(rest) > 0 {
		line, rest = nextLine(rest)
		name, _, _ := bytes.Cut(line, []byte(":"))
		k := kindOf(name)
		switch {
		case k != kindVia && seen&(1<<k) != 0:
			continue
		case k == kindVia, k == kindFrom, k == kindTo, k == kindCallID, k == kindCseq:
			b.Write(line)
			b.WriteString("\r\n")
		}
		seen |= 1 << k
	}
	if seen&(1<<kindVia) == 0 {
		return nil
	}
	if f.wrong.code == 501 {
		b.WriteString("Allow: " + strings.Join(handled, ", ") + "\r\n")
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return b.Bytes()
}

// tidy takes folds and needless white space out of a head's lines, in place, as far
// as the stack's parser cannot read them: what it gives is the same message
// (RFC 3261, section 7.3.1). Inside quotes everything stays.
func tidy(head []byte) []byte {
	if !untidy(head) {
		return head
	}
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	out := append(make([]byte, 0, len(head)), line...)
	out = append(out, '\r', '\n')
	for len(rest) > 0 {
		line, rest = nextLine(rest)
		if len(line) == 0 {
			break
		}
		out = appendTidy(out, line)
		out = append(out, '\r', '\n')
	}
	return append(out, '\r', '\n')
}

func untidy(head []byte) bool {
	for _, sign := range []string{"\r\n ", "\r\n\t", " ;", "; ", " =", "= ", " :", "\t", " /", "/ "} {
		if bytes.Contains(head, []byte(sign)) {
			return true
		}
	}
	return false
}

// appendTidy appends one header. Its parameters are brought together if it is one
// that the stack takes apart; others only lose their folds.
func appendTidy(out, line []byte) []byte {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return append(out, line...)
	}
	name = bytes.TrimSpace(name)
	out = append(append(out, name...), ':', ' ')
	joins := ""
	switch kindOf(name) {
	case kindVia:
		joins = ";=/,:"
	case kindFrom, kindTo, kindContact, kindRoute:
		joins = ";=,"
	}
	quoted, gap := false, false
	for i := 0; i < len(value); i++ {
		c := value[i]
		if !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			gap = true
			continue
		}
		last := out[len(out)-1]
		if gap && last != ' ' && strings.IndexByte(joins, c) < 0 && strings.IndexByte(joins, last) < 0 {
			out = append(out, ' ')
		}
		gap = false
		out = append(out, c)
		switch {
		case quoted && c == '\\' && i+1 < len(value):
			i++
			out = append(out, value[i])
		case c == '"':
			quoted = !quoted
		}
	}
	return out
}
