package resolve

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/media/archive"
)

// JobsPath is where the files of jobs are served, by the jobs' keys.
const JobsPath = "/export/job/"

// ofNumbers are the names of arguments that are phone numbers, which the book has none of.
var ofNumbers = regexp.MustCompile(`(?i)(caller|called|number)$`)

func (r *Resolver) job(it catalog.Item) *model.Job {
	j := it.Entity.GetJob()
	out := &model.Job{
		ID: model.ID(catalog.KindJob, j.Id), Key: j.Id, Actor: j.Actor, CreatedAt: events.Instant(j.CreatedUs), List: j.List,
		Parameters: []*model.JobParameter{}, Format: model.JobFormatCSV, Cancelled: j.Cancel, Node: text(j.Node), Begun: int(j.Begun),
		State: model.JobState(strings.TrimPrefix(j.State.String(), "JOB_STATE_")),
		Rows:  model.Decimal{Units: int64(j.Rows)}, BeganAt: instant(j.BeganUs), EndedAt: instant(j.EndedUs), Error: j.Error, Version: it.Version,
	}
	if j.Workbook {
		out.Format = model.JobFormatXlsx
	}
	for _, name := range slices.Sorted(maps.Keys(j.Parameters)) {
		out.Parameters = append(out.Parameters, &model.JobParameter{Name: name, Value: j.Parameters[name]})
	}
	if j.State == wire.JobState_JOB_STATE_DONE {
		sum, url := hex.EncodeToString(j.Sha256), JobsPath+j.Id
		out.Size, out.Sha256, out.URL = &model.Decimal{Units: int64(j.Size)}, &sum, &url
	}
	return out
}

// startJob writes a job into the book; the node that keeps it does it.
func (r *Resolver) startJob(ctx context.Context, in model.JobStartInput) (*model.JobPayload, error) {
	v := auth.FromContext(ctx)
	now := r.Now()
	var random [10]byte
	_, _ = rand.Read(random[:]) // it never fails
	id := events.NewCallID(now, random)
	j := &wire.Job{
		Id: id.String(), Actor: v.Actor, Company: v.Company, CreatedUs: events.Micros(now), List: in.List, Parameters: map[string]string{},
		Workbook: in.Format == model.JobFormatXlsx, State: wire.JobState_JOB_STATE_QUEUED,
	}
	for _, p := range in.Parameters.Value() {
		j.Parameters[p.Name] = p.Value
	}
	return r.editJob(ctx, j.Id, in.DryRun, func(*catalog.State) (*wire.Entity, error) {
		for name := range j.Parameters {
			if ofNumbers.MatchString(name) {
				return nil, events.Invalid("%.80q would put a phone number into the book, for good: export this list at once instead", name).At("parameters")
			}
		}
		return catalog.EntityOf(j), r.CheckExport(v, j.List, j.Parameters)
	})
}

func (r *Resolver) cancelJob(ctx context.Context, in model.JobCancelInput) (*model.JobPayload, error) {
	v := auth.FromContext(ctx)
	return r.editJob(ctx, in.Key, graphql.Omittable[*bool]{}, func(cat *catalog.State) (*wire.Entity, error) {
		old := jobOf(v, cat, in.Key)
		switch {
		case old == nil:
			return nil, events.NotFound("there is no job %.80q", in.Key).At("key")
		case catalog.JobEnded(old):
			return nil, events.Refuse(events.CodeConflict, "the job has ended").At("key")
		}
		j := proto.CloneOf(old)
		j.Cancel = true
		return catalog.EntityOf(j), nil
	})
}

// jobOf finds a job that somebody may see, nil for any other.
func jobOf(v *auth.Viewer, cat *catalog.State, key string) *wire.Job {
	item, ok := cat.Get(catalog.Ref{Kind: catalog.KindJob, ID: key})
	if !ok || !sees(v, cat, item.Entity) {
		return nil
	}
	return item.Entity.GetJob()
}

func (r *Resolver) editJob(ctx context.Context, id string, dryRun graphql.Omittable[*bool], build func(*catalog.State) (*wire.Entity, error)) (*model.JobPayload, error) {
	out, err := r.edit(ctx, edit{ref: catalog.Ref{Kind: catalog.KindJob, ID: id}, dryRun: dryRun, build: build})
	payload := &model.JobPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Job = r.job(out.item)
	}
	return payload, err
}

// OpenJob opens the file of a job for who began it, and admins. It is recorded who is
// given it.
func (r *Resolver) OpenJob(ctx context.Context, id string) (file io.ReadSeekCloser, j *wire.Job, at time.Time, err error) {
	v := auth.FromContext(ctx)
	if v == nil {
		return nil, nil, at, ErrSignIn
	}
	if j = jobOf(v, r.Backend.Catalog(), id); j.GetState() != wire.JobState_JOB_STATE_DONE {
		return nil, nil, at, events.NotFound("there is no file of a job %.80q", id)
	}
	name, err := archive.ParseName(j.File)
	if err != nil {
		return nil, nil, at, err
	}
	file, at, err = r.handOut(ctx, v, name, true)
	return file, j, at, err
}
