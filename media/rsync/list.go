package rsync

import (
	"io"
	"slices"
	"strings"
	"time"
)

// What an entry of the list says about itself.
const (
	sameMode = 1 << 1
	sameUID  = 1 << 3
	sameGID  = 1 << 4
	sameName = 1 << 5
	longName = 1 << 6
	sameTime = 1 << 7

	modeType    = 0o170000
	modeRegular = 0o100000
)

// list reads the daemon's list of files. Both sides number it in the order of the
// names' bytes.
func (s *Session) list() error {
	if err := s.writeInts(0); err != nil { // no filter rules
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	var last listed
	for {
		flags, err := s.in.byte()
		if err != nil {
			return err
		}
		if flags == 0 {
			break
		}
		if len(s.files) == maxEntries {
			return errProtocol
		}
		if last, err = s.entry(flags, last); err != nil {
			return err
		}
		s.files = append(s.files, Entry{
			Name: last.name, Size: last.size, ModTime: time.Unix(int64(last.time), 0).UTC(), Regular: last.mode&modeType == modeRegular,
		})
	}
	for range 2 { // the names of owners and of groups
		if err := s.skipNames(); err != nil {
			return err
		}
	}
	if _, err := s.in.int(); err != nil { // whether some could not be read
		return err
	}
	slices.SortStableFunc(s.files, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// listed is an entry as it comes: each may lean on the one before.
type listed struct {
	name string
	size int64
	time int32
	mode int32
}

func (s *Session) entry(flags byte, last listed) (listed, error) {
	e := last
	var err error
	if e.name, err = s.entryName(flags, last.name); err != nil {
		return e, err
	}
	if e.size, err = s.in.long(); err != nil {
		return e, err
	}
	if e.size < 0 {
		return e, errProtocol
	}
	for _, field := range []struct {
		same byte
		to   *int32
	}{{sameTime, &e.time}, {sameMode, &e.mode}, {sameUID, new(int32)}, {sameGID, new(int32)}} {
		if flags&field.same != 0 {
			continue
		}
		if *field.to, err = s.in.int(); err != nil {
			return e, err
		}
	}
	return e, nil
}

// entryName is the beginning of the name before and what is sent.
func (s *Session) entryName(flags byte, before string) (string, error) {
	var kept byte
	var err error
	if flags&sameName != 0 {
		if kept, err = s.in.byte(); err != nil {
			return "", err
		}
	}
	var more int32
	if flags&longName != 0 {
		more, err = s.in.int()
	} else {
		var short byte
		short, err = s.in.byte()
		more = int32(short)
	}
	if err != nil {
		return "", err
	}
	if int(kept) > len(before) || more < 0 || int(kept)+int(more) > maxName {
		return "", errProtocol
	}
	rest := make([]byte, more)
	if _, err := io.ReadFull(s.in, rest); err != nil {
		return "", noEnd(err)
	}
	return before[:kept] + string(rest), nil
}

func (s *Session) skipNames() error {
	for range maxEntries {
		id, err := s.in.int()
		if err != nil || id == 0 {
			return err
		}
		n, err := s.in.byte()
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, s.in, int64(n)); err != nil {
			return noEnd(err)
		}
	}
	return errProtocol
}
