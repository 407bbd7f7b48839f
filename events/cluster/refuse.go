package cluster

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// refusedFile names the nodes that were not let in when the server last ran: it opens its
// door before anybody can read the book, where they stand.
const refusedFile = "refused.json"

// Refuse names the nodes that are not let in from now on, although their certificates
// are good. They are remembered for the next start.
func (s *Server) Refuse(nodes []string) error {
	if old := s.refused.Swap(&nodes); old != nil && slices.Equal(*old, nodes) || old == nil && len(nodes) == 0 {
		return nil
	}
	text, err := json.Marshal(nodes)
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, refusedFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("remember who is refused: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("remember who is refused: %w", err)
	}
	return nil
}

// recallRefused reads who is not let in.
func (s *Server) recallRefused() error {
	text, err := os.ReadFile(filepath.Join(s.dir, refusedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var nodes []string
	if err == nil {
		err = json.Unmarshal(text, &nodes)
	}
	if err != nil {
		return fmt.Errorf("read who is refused: %w; remove the file to go on without it", err)
	}
	s.refused.Store(&nodes)
	return nil
}

// letIn refuses those whom Refuse named.
func (s *Server) letIn(c tls.ConnectionState) error {
	nodes := s.refused.Load()
	if nodes == nil || len(c.PeerCertificates) == 0 {
		return nil
	}
	if name := c.PeerCertificates[0].Subject.CommonName; slices.Contains(*nodes, name) {
		return fmt.Errorf("node %s was removed from the cluster", name)
	}
	return nil
}
