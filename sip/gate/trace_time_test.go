package gate

import (
	"net"
	"testing"
	"time"
)

// noting is a connection that notes when it is written to.
type noting struct {
	net.Conn
	began time.Time
}

func (s *noting) SetWriteDeadline(time.Time) error { return nil }

func (s *noting) Write(b []byte) (int, error) {
	s.began = time.Now()
	return len(b), nil
}

// TestSaidBeforeItIsHeard: a message counts as sent before the far end can have done anything
// about it. A recording that is resumed then must not have what was sent in its pause.
func TestSaidBeforeItIsHeard(t *testing.T) {
	conn := &noting{}
	var said time.Time
	s := &stream{Conn: conn, said: func(_ []byte, at time.Time) { said = at }}
	if _, err := s.Write([]byte("INFO")); err != nil {
		t.Fatal(err)
	}
	if said.IsZero() || said.After(conn.began) {
		t.Errorf("sent at %v, and told of as of %v", conn.began, said)
	}
}
