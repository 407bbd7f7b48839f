package archive

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrNothing is a repair's word for a file with nothing in it worth keeping.
var ErrNothing = errors.New("archive: nothing to repair")

// Recover ends the files that a killed program left open. For each of them repair
// puts the header right and says what is in it; the file is then hashed and said
// as truncated. With ErrNothing it is removed; with another error it is left for the
// next start. To be called before the first Create.
func (s *Store) Recover(repair func(*File) (Details, error)) (recovered int, err error) {
	entries, err := os.ReadDir(s.parts())
	if err != nil {
		return 0, fmt.Errorf("look for unfinished files: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() { // copies of another node's
			continue
		}
		base, ok := strings.CutSuffix(e.Name(), ".part")
		name, parseErr := parseBase(s.config.Node, base)
		if !ok || parseErr != nil || !e.Type().IsRegular() {
			s.config.Log.Warn("a stranger lies among the unfinished files", "file", e.Name())
			continue
		}
		switch err := s.recoverOne(name, repair); {
		case errors.Is(err, ErrNothing):
			s.config.Log.Info("an empty unfinished file is removed", "file", name.String())
		case err != nil:
			s.config.Log.Error("an unfinished file could not be repaired; it stays until the next start", "file", name.String(), "err", err)
		default:
			recovered++
		}
	}
	return recovered, nil
}

func (s *Store) recoverOne(name Name, repair func(*File) (Details, error)) error {
	if err := s.reserve(name); err != nil {
		return err
	}
	file, err := os.OpenFile(s.partOf(name), os.O_RDWR, 0)
	if err != nil {
		s.release(name)
		return err
	}
	f := &File{store: s, name: name, file: file}
	if name.Kind.Export() { // its job begins anew
		f.Abandon()
		return ErrNothing
	}
	d, err := repair(f)
	switch {
	case errors.Is(err, ErrNothing):
		f.Abandon()
		return err
	case err != nil:
		s.release(name)
		return errors.Join(err, file.Close())
	}
	d.Truncated = true
	if d.Reason == "" {
		d.Reason = "killed"
	}
	_, err = f.Finish(d)
	return err
}
