package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/archive"
)

const (
	// jobTick is how often it is looked for jobs, jobsAtOnce how many a node works on.
	jobTick    = time.Second
	jobsAtOnce = 2
	// exportAge is how long a job and its file are kept.
	exportAge = 7 * 24 * time.Hour
	// jobNoted is how often it is written down how far a job has come.
	jobNoted = 5 * time.Second
	// mostBegun is how often a job is begun before it is given up: maybe it is what ends
	// the nodes.
	mostBegun = 5
	// maxJobError bounds what is told of a failure.
	maxJobError = 300
)

// Why a job ends before it is done.
var (
	errJobCancelled = errors.New("it is not wanted any more")
	errJobGivenUp   = errors.New("another node keeps the book")
)

// jobs works on the jobs in the book, where this node keeps it. One that another node was
// working on is begun anew.
func (n *Node) jobs(ctx context.Context) error {
	places := make(chan struct{}, jobsAtOnce)
	return n.whileKeeping(ctx, jobTick, func(now time.Time) {
		for _, item := range n.Catalog().List(catalog.KindJob) {
			j := item.Entity.GetJob()
			if catalog.JobEnded(j) {
				n.forgetJob(item, now)
				continue
			}
			select {
			case places <- struct{}{}:
			default:
				return // the others wait for their turn
			}
			if _, here := n.working.LoadOrStore(j.Id, true); here {
				<-places
				continue
			}
			n.tasks.Go(func() {
				defer func() { n.working.Delete(j.Id); <-places }()
				n.work(n.ctx, job{n, proto.CloneOf(j), item.Version})
			})
		}
	})
}

// forgetJob removes a job that nobody needs any more; its file goes by its age.
func (n *Node) forgetJob(item catalog.Item, now time.Time) {
	if now.Sub(events.Instant(item.Entity.GetJob().EndedUs)) < exportAge {
		return
	}
	cmd := n.ownEdit(item.Entity, item.Version, "a job is forgotten")
	cmd.GetChangeCatalog().Changes[0].Change.Remove = true
	if _, err := n.book.Execute(n.ctx, cmd); err != nil && n.ctx.Err() == nil {
		n.log.Warn("a job could not be forgotten; it is tried again", "job", item.Entity.GetJob().Id, "err", err)
	}
}

// job is a job that this node works on.
type job struct {
	n       *Node
	of      *wire.Job
	version events.Position
}

// work does a job, or leaves it for the next node.
func (n *Node) work(ctx context.Context, j job) {
	log := n.log.With("job", j.of.Id, "list", j.of.List, "actor", j.of.Actor)
	err := j.begin(ctx)
	if err == nil {
		err = j.export(ctx)
	}
	switch {
	case ctx.Err() != nil || errors.Is(err, errJobGivenUp):
		return
	case errors.Is(err, errJobCancelled):
		j.of.State = wire.JobState_JOB_STATE_CANCELLED
	case err != nil:
		log.Warn("a job failed", "err", err)
		j.of.State, j.of.Error = wire.JobState_JOB_STATE_FAILED, strings.ToValidUTF8(err.Error()[:min(len(err.Error()), maxJobError)], "")
	default:
		j.of.State = wire.JobState_JOB_STATE_DONE
	}
	j.of.EndedUs = time.Now().UnixMicro()
	if err := n.patient(ctx, func() error { return j.note(ctx) }); err != nil && ctx.Err() == nil {
		log.Warn("the end of a job is not in the book: it is begun anew", "err", err)
		return
	}
	log.Info("a job has ended", "state", j.of.State.String(), "rows", j.of.Rows)
}

// begin writes down that this node works on it.
func (j *job) begin(ctx context.Context) error {
	switch {
	case j.of.Cancel:
		return errJobCancelled
	case j.of.Begun >= mostBegun:
		return fmt.Errorf("it was begun %d times and never ended", j.of.Begun)
	}
	j.of.State, j.of.Node, j.of.Rows, j.of.BeganUs = wire.JobState_JOB_STATE_RUNNING, j.n.settings.Node, 0, time.Now().UnixMicro()
	j.of.Begun++
	if err := j.put(ctx); err != nil {
		j.n.log.Warn("a job cannot begin; it is tried again", "job", j.of.Id, "err", err)
		return errJobGivenUp
	}
	return nil
}

// put writes down how far it has come.
func (j *job) put(ctx context.Context) error {
	e := catalog.EntityOf(proto.CloneOf(j.of))
	if err := j.n.putEntity(ctx, e, j.version, "job "+j.of.Id); err != nil {
		return err
	}
	item, _ := j.n.Catalog().Get(catalog.RefOf(e))
	j.version = item.Version
	return nil
}

// note is put behind what others have written meanwhile, which can only be that it is
// not wanted any more, unless it is another node's by now.
func (j *job) note(ctx context.Context) error {
	item, _ := j.n.Catalog().Get(catalog.Ref{Kind: catalog.KindJob, ID: j.of.Id})
	now := item.Entity.GetJob()
	if now == nil || now.Node != j.of.Node || now.Begun != j.of.Begun || !j.n.terms.Keeps() {
		return nil // the other node's word counts
	}
	j.of.Cancel, j.version = now.Cancel, item.Version
	return j.put(ctx)
}

// export writes the list into a file, in the name of who began the job.
func (j *job) export(ctx context.Context) error {
	viewer := j.n.people.ByActor(j.of.Actor)
	if viewer == nil {
		return fmt.Errorf("%s may not sign in any more", j.of.Actor)
	}
	kind, codec := archive.Table, "csv"
	if j.of.Workbook {
		kind, codec = archive.Workbook, "xlsx"
	}
	file, err := j.n.files.Create(kind, j.of.Id, int(j.of.Begun))
	if err != nil {
		return err
	}
	noted := time.Now()
	err = j.n.exports.Write(ctx, viewer, j.of.List, j.of.Parameters, j.of.Workbook, file, func(rows int) error {
		j.of.Rows = uint64(rows)
		switch now := j.n.Catalog().Job(j.of.Id); {
		case !j.n.terms.Keeps():
			return errJobGivenUp
		case now.GetCancel():
			return errJobCancelled
		case time.Since(noted) < jobNoted:
			return nil
		}
		noted = time.Now()
		if err := j.note(ctx); err != nil { // the next one may succeed
			j.n.log.Warn("the progress of a job is not written down", "job", j.of.Id, "err", err)
		}
		return nil
	})
	if err != nil {
		file.Abandon()
		return err
	}
	made, err := file.Finish(archive.Details{Codec: codec})
	if err != nil {
		return err
	}
	if made.Truncated {
		return errors.New("the disk did not take the file")
	}
	j.of.File, j.of.Size, j.of.Sha256 = made.Name.String(), uint64(made.Size), made.SHA256[:]
	return nil
}
