package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	// maxHead and maxBody bound a message on a stream.
	maxHead = 32 << 10
	maxBody = 64 << 10
)

var endOfHead = []byte("\r\n\r\n")

// frames cuts a stream into messages, so that the stack is given whole ones that
// have passed the first look (RFC 3261, section 18.3). What comes slowly waits here.
type frames struct {
	from io.Reader
	// answer writes to the far end; malformed counts what did not pass.
	answer    func([]byte) error
	malformed func()
	// heard is told of each message as it came; nil: nobody is.
	heard func([]byte)
	room  [4096]byte // for one read
	buf   []byte     // read and not cut
	whole int        // the length of the message that buf begins with, as far as it is known
	ready []byte     // cut and not given
}

// Read gives bytes of messages.
func (f *frames) Read(b []byte) (int, error) {
	for len(f.ready) == 0 {
		done, err := f.cut()
		if err != nil {
			return 0, err
		}
		if done {
			continue
		}
		n, err := f.from.Read(f.room[:])
		f.buf = append(f.buf, f.room[:n]...)
		if err != nil && n == 0 {
			return 0, err
		}
	}
	n := copy(b, f.ready)
	f.ready = f.ready[n:]
	return n, nil
}

// cut takes the next message out of the buffer. It is false if more must be read.
func (f *frames) cut() (bool, error) {
	if len(f.buf) < f.whole {
		return false, nil
	}
	// A far end that asks whether we are there sends two line ends, and gets one
	// (RFC 5626, section 4.4.1); others between messages mean nothing.
	for bytes.HasPrefix(f.buf, []byte("\r\n")) {
		if bytes.HasPrefix(f.buf, endOfHead) {
			if err := f.answer([]byte("\r\n")); err != nil {
				return false, err
			}
			f.buf = f.buf[4:]
			continue
		}
		if len(f.buf) < 4 && (len(f.buf) < 3 || f.buf[2] == '\r') {
			return false, nil
		}
		f.buf = f.buf[2:]
	}
	end := bytes.Index(f.buf, endOfHead)
	if end < 0 {
		if len(f.buf) > maxHead {
			f.malformed()
			return false, fmt.Errorf("%d bytes came without the end of a message's head", len(f.buf))
		}
		return false, nil
	}
	head := f.buf[:end+len(endOfHead)]
	m := look(head)
	if m.length < 0 && m.method != "response" {
		m.refuse(400, "Missing Content-Length")
	}
	if m.length > maxBody {
		m.refuse(413, "Request Entity Too Large")
	}
	whole := len(head) + max(0, m.length)
	switch {
	case m.wrong == nil && len(f.buf) < whole:
		f.whole = whole
		return false, nil
	case m.wrong == nil:
		if f.heard != nil {
			f.heard(f.buf[:whole])
		}
		f.ready = append(tidy(head), f.buf[len(head):whole]...)
	default:
		f.malformed()
		if answer := m.answer(); answer != nil {
			if err := f.answer(answer); err != nil {
				return false, err
			}
		}
		if m.length < 0 || m.length > maxBody {
			return false, errors.New("a message's end cannot be told")
		}
		if len(f.buf) < whole { // its body is not waited for
			return false, io.EOF
		}
	}
	f.buf, f.whole = append([]byte(nil), f.buf[whole:]...), 0
	return true, nil
}
