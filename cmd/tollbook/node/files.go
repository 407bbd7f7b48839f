package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/evidence"
)

// Files says where recordings and captures are kept, how long, and in how much room.
// It is the node's, like the disk: one that only makes them may keep a week, the one
// that collects them years.
type Files struct {
	// Dir has the directories files and part in it; empty is the node's data.
	Dir string `yaml:"dir"`
	// Floor is the free space below which no new file is begun, as 1GB.
	Floor string `yaml:"floor"`
	// Recordings and Captures are how much of each is kept, copies of other nodes'
	// files included; the oldest go first. 0 is no limit.
	Recordings string `yaml:"recordings"`
	Captures   string `yaml:"captures"`
	// RecordingDays and CaptureDays are how many days each is kept, copies of other
	// nodes' files included. 0 is no limit.
	RecordingDays int `yaml:"recording_days"`
	CaptureDays   int `yaml:"capture_days"`
	// Listen is where other nodes copy the files from, by rsync: an address and a
	// port. Empty is the port 8873 of the address that a cluster's nodes reach this one
	// at, and nobody for a node alone; none lets nobody.
	Listen string `yaml:"listen"`
	// Peers are the nodes that files are copied from, beside those of the cluster.
	Peers []FilePeer `yaml:"peers"`
	// Bandwidth is what may be sent, and what may be fetched, in a second, as 5MB; 0
	// is no limit.
	Bandwidth string `yaml:"bandwidth"`
	// Key is a file with 64 hexadecimal digits that only the nodes have which share
	// files. Empty is the cluster's key.
	Key string `yaml:"key"`
	// Plain speaks without encryption and lets everybody copy: for loopback and
	// private addresses only.
	Plain bool `yaml:"plain"`
}

func defaultFiles() Files { return Files{Floor: "1GB", Recordings: "0", Captures: "0", Bandwidth: "0"} }

// filesConfig is a Files, parsed.
type filesConfig struct {
	dir                                    string
	floor, recordings, captures, bandwidth uint64
}

func (f Files) parse(self, data string) (filesConfig, error) {
	c := filesConfig{dir: f.Dir}
	if c.dir == "" {
		c.dir = data
	}
	for _, size := range []struct {
		key, text string
		to        *uint64
	}{{"floor", f.Floor, &c.floor}, {"recordings", f.Recordings, &c.recordings}, {"captures", f.Captures, &c.captures}, {"bandwidth", f.Bandwidth, &c.bandwidth}} {
		n, err := parseBytes(size.text)
		if err != nil {
			return c, fmt.Errorf("files.%s %q is not an amount of bytes such as 20GB", size.key, size.text)
		}
		*size.to = n
	}
	for key, n := range map[string]int{"recording_days": f.RecordingDays, "capture_days": f.CaptureDays} {
		if n < 0 || n > maxDays {
			return c, fmt.Errorf("files.%s %d is not a number of days up to %d, or 0 for no limit", key, n, maxDays)
		}
	}
	return c, f.checkPeers(self)
}

// maxDays is a hundred years.
const maxDays = 36_525

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// parseBytes reads "20GB", "500MB", "64kB" or a plain number of bytes.
func parseBytes(text string) (uint64, error) {
	unit := uint64(1)
	for suffix, u := range map[string]uint64{"TB": 1e12, "GB": 1e9, "MB": 1e6, "kB": 1e3} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			text, unit = strings.TrimSpace(rest), u
		}
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err == nil && n > 1<<62/unit {
		err = strconv.ErrRange
	}
	return n * unit, err
}

// openFiles opens the archive and ends the files that a crash left open.
func (n *Node) openFiles(ctx context.Context) error {
	c := n.settings.files
	var err error
	n.files, err = archive.Open(archive.Config{
		Dir: c.dir, Node: n.settings.Node, Limits: n.fileLimits, FloorBytes: c.floor, Record: n.recordFiles, Expected: n.fileSum, Log: n.log,
	})
	if err != nil {
		return err
	}
	n.onClose(func() error { n.files.Close(); return nil })
	recovered, err := n.files.Recover(evidence.Repair)
	if err != nil {
		return err
	}
	if recovered > 0 {
		n.log.Warn("recordings and captures that were cut off are ended", "files", recovered)
	}
	n.task("look after files", n.files.Watch)
	return n.shareFiles(ctx)
}

// fileLimits are how much is kept.
func (n *Node) fileLimits() archive.Limits {
	c := n.settings.files
	return archive.Limits{
		RecordingBytes: c.recordings, CaptureBytes: c.captures,
		RecordingAge: days(n.settings.Files.RecordingDays), CaptureAge: days(n.settings.Files.CaptureDays),
		ExportAge: exportAge,
	}
}

// recordFiles records what became of files and returns when it is durable: what
// belongs to calls in the journal of calls, the rest in that of the audit.
func (n *Node) recordFiles(ctx context.Context, list ...*wire.Event) error {
	var calls, audit []*wire.Event
	for _, e := range list {
		e.Schema, e.EffectiveAtUs = 1, time.Now().UnixMicro()
		switch e.GetBody().(type) {
		case *wire.Event_FileMade, *wire.Event_FileRemoved:
			calls = append(calls, e)
		default:
			audit = append(audit, e)
		}
	}
	return errors.Join(n.calls.recordAll(ctx, calls), n.audit.recordAll(ctx, audit))
}

// FilesDir is the directory that has the node's files in it.
func (c Config) FilesDir() (string, error) {
	s, err := c.parse()
	return s.files.dir, err
}
