package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// sippLoad makes calls with sipp, and answers them.
type sippLoad struct {
	program string
	dir     string // where the scenarios are
	seconds int
}

// sippFigures are what the callers saw.
type sippFigures struct {
	Rate    int `json:"rate"`
	Seconds int `json:"seconds"`
	Calls   int `json:"calls"`
	Failed  int `json:"failed"`
	// Retransmitted are messages that the callers sent again, of a hundred calls.
	Retransmitted float64 `json:"retransmitted_percent"`
	PDDP50MS      float64 `json:"pdd_p50_ms"`
	PDDP99MS      float64 `json:"pdd_p99_ms"`
}

// vendor answers calls at 127.0.0.42 until it is stopped.
func (l sippLoad) vendor(ctx context.Context) (*process, error) {
	const address = "127.0.0.42"
	p, err := start(ctx, l.dir, os.Environ(), l.program, "-sf", filepath.Join(l.dir, "vendor.xml"),
		"-i", address, "-mi", address, "-p", strconv.Itoa(benchSIPPort), "-nostdin")
	if err != nil {
		return nil, err
	}
	select {
	case <-p.over:
		return nil, fmt.Errorf("the vendor has ended: %w", p.failure())
	case <-time.After(500 * time.Millisecond):
		return p, nil
	}
}

// calls are made at a rate from 127.0.0.41 to a switch.
func (l sippLoad) calls(ctx context.Context, to string, rate int) (sippFigures, error) {
	g := sippFigures{Rate: rate, Seconds: l.seconds}
	dir, err := os.MkdirTemp(l.dir, "calls-*")
	if err != nil {
		return g, err
	}
	const address = "127.0.0.41"
	p, err := start(ctx, dir, os.Environ(), l.program, fmt.Sprintf("%s:%d", to, benchSIPPort), "-sf", filepath.Join(l.dir, "caller.xml"),
		"-i", address, "-mi", address, "-p", strconv.Itoa(benchSIPPort), "-nostdin",
		"-r", strconv.Itoa(rate), "-m", strconv.Itoa(rate*l.seconds), "-l", "20000", "-timeout", strconv.Itoa(l.seconds+40),
		"-trace_stat", "-stf", "stat.csv", "-fd", "5", "-trace_rtt", "-rtt_freq", "1")
	if err != nil {
		return g, err
	}
	defer p.stop()
	select {
	case <-p.over:
	case <-ctx.Done():
		return g, ctx.Err()
	}
	time.Sleep(time.Second) // what the last calls leave to do is theirs, too
	if err := g.counts(filepath.Join(dir, "stat.csv")); err != nil {
		return g, errors.Join(err, p.failure())
	}
	return g, g.delays(dir)
}

// counts reads the last line of sipp's statistics.
func (g *sippFigures) counts(path string) error {
	rows, err := readSemicolons(path)
	if err != nil {
		return err
	}
	if len(rows) < 2 {
		return fmt.Errorf("%s has no statistics", path)
	}
	last := rows[len(rows)-1]
	column := func(name string) (int, error) {
		i := slices.Index(rows[0], name)
		if i < 0 || i >= len(last) {
			return 0, fmt.Errorf("%s has no column %s", path, name)
		}
		return strconv.Atoi(last[i])
	}
	again := 0
	for name, to := range map[string]*int{"SuccessfulCall(C)": &g.Calls, "FailedCall(C)": &g.Failed, "Retransmissions(C)": &again} {
		if *to, err = column(name); err != nil {
			return err
		}
	}
	g.Retransmitted = float64(100*again) / float64(max(1, g.Calls+g.Failed))
	return nil
}

// delays reads how long each call waited for its first ringing.
func (g *sippFigures) delays(dir string) error {
	found, err := fs.Glob(os.DirFS(dir), "*rtt.csv")
	if err != nil || len(found) == 0 {
		return errors.Join(err, errors.New("sipp wrote no response times"))
	}
	rows, err := readSemicolons(filepath.Join(dir, found[0]))
	if err != nil {
		return err
	}
	var waited []float64
	for _, row := range rows[min(1, len(rows)):] {
		if len(row) < 2 {
			continue
		}
		ms, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			return fmt.Errorf("%s: %w", found[0], err)
		}
		waited = append(waited, ms)
	}
	if len(waited) == 0 {
		return nil
	}
	slices.Sort(waited)
	g.PDDP50MS, g.PDDP99MS = waited[len(waited)/2], waited[len(waited)*99/100]
	return nil
}

func readSemicolons(path string) ([][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = ';', -1, true
	return r.ReadAll()
}
