package sinktest

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// EventStore speaks the protocol of EventStoreDB, by the client's own definitions, as far as
// appending to streams and reading them goes. What is appended outlives Stop, and revisions
// and repeated ids are judged as a server does.
type EventStore struct {
	// URL is its connection string.
	URL string

	t       *testing.T
	address string
	server  *grpc.Server

	mu      sync.Mutex
	streams map[string][]*streams.ReadResp_ReadEvent_RecordedEvent
	// lose has so many appends be done and answered by an error.
	lose    int
	appends int
}

// EventStoreURL is the real server that TOLLBOOK_TEST_EVENTSTORE names, empty for none.
func EventStoreURL() string { return os.Getenv("TOLLBOOK_TEST_EVENTSTORE") }

// StartEventStore starts a server of the test's own.
func StartEventStore(t *testing.T) *EventStore {
	t.Helper()
	e := &EventStore{t: t, streams: map[string][]*streams.ReadResp_ReadEvent_RecordedEvent{}}
	e.Start()
	t.Cleanup(e.Stop)
	return e
}

// Start has it listen, at the same address as before.
func (e *EventStore) Start() {
	e.t.Helper()
	address := e.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		e.t.Fatal(err)
	}
	e.address = listener.Addr().String()
	e.URL = "esdb://" + e.address + "?tls=false"
	e.server = grpc.NewServer()
	streams.RegisterStreamsServer(e.server, &esStreams{store: e})
	serverfeatures.RegisterServerFeaturesServer(e.server, esFeatures{})
	go func(s *grpc.Server) { _ = s.Serve(listener) }(e.server) // it ends with Stop
}

// Stop ends it at once.
func (e *EventStore) Stop() { e.server.Stop() }

// Lose has the next appends be done, but answered by an error.
func (e *EventStore) Lose(appends int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lose = appends
}

// Count is how many events a stream has.
func (e *EventStore) Count(stream string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.streams[stream])
}

// Change changes an event's data, as nobody can who goes through the protocol.
func (e *EventStore) Change(stream string, revision int, change func([]byte) []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	event := e.streams[stream][revision]
	event.Data = change(slices.Clone(event.Data))
}

// Cut removes a stream's end.
func (e *EventStore) Cut(stream string, left int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.streams[stream] = e.streams[stream][:left]
}

type esFeatures struct {
	serverfeatures.UnimplementedServerFeaturesServer
}

func (esFeatures) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	return &serverfeatures.SupportedMethods{EventStoreServerVersion: "23.10.0"}, nil
}

type esStreams struct {
	streams.UnimplementedStreamsServer
	store *EventStore
}

// Append takes the options, then the events, all or none of which are appended.
func (s *esStreams) Append(from streams.Streams_AppendServer) error {
	var options *streams.AppendReq_Options
	var batch []*streams.AppendReq_ProposedMessage
	size := 0
	for {
		req, err := from.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch content := req.GetContent().(type) {
		case *streams.AppendReq_Options_:
			options = content.Options
		case *streams.AppendReq_ProposedMessage_:
			batch = append(batch, content.ProposedMessage)
			size += proto.Size(content.ProposedMessage)
		}
	}
	if options == nil {
		return status.Error(codes.InvalidArgument, "no options")
	}
	if size > 1<<20 {
		return status.Error(codes.InvalidArgument, "Maximum Append Size Exceeded.")
	}
	resp, err := s.store.append(options, batch)
	if err != nil {
		return err
	}
	return from.SendAndClose(resp)
}

func (e *EventStore) append(options *streams.AppendReq_Options, batch []*streams.AppendReq_ProposedMessage) (*streams.AppendResp, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := string(options.GetStreamIdentifier().GetStreamName())
	stream := e.streams[name]
	at := 0 // where the first event is to stand
	switch expected := options.GetExpectedStreamRevision().(type) {
	case *streams.AppendReq_Options_Revision:
		at = int(expected.Revision) + 1
	case *streams.AppendReq_Options_NoStream:
	default:
		return nil, status.Error(codes.Unimplemented, "only expected revisions")
	}
	if at != len(stream) && !repeated(stream, at, batch) {
		return &streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: &streams.AppendResp_WrongExpectedVersion{
			CurrentRevisionOption: &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(len(stream) - 1)},
		}}}, nil
	}
	if e.appends++; at == len(stream) {
		for _, m := range batch {
			m.Metadata["created"] = "17000000000000000" // every server says when, in tenths of microseconds
			stream = append(stream, &streams.ReadResp_ReadEvent_RecordedEvent{
				Id: m.GetId(), StreamIdentifier: options.GetStreamIdentifier(), StreamRevision: uint64(len(stream)),
				Metadata: m.GetMetadata(), CustomMetadata: m.GetCustomMetadata(), Data: m.GetData(),
			})
		}
		e.streams[name] = stream
	}
	if e.lose > 0 {
		e.lose--
		return nil, status.Error(codes.Unavailable, "the answer was lost")
	}
	return &streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(at + len(batch) - 1)},
		PositionOption:        &streams.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}},
	}}}, nil
}

// repeated says that a batch stands where it is to stand already.
func repeated(stream []*streams.ReadResp_ReadEvent_RecordedEvent, at int, batch []*streams.AppendReq_ProposedMessage) bool {
	if at+len(batch) > len(stream) {
		return false
	}
	for i, m := range batch {
		if !proto.Equal(stream[at+i].GetId(), m.GetId()) {
			return false
		}
	}
	return true
}

// Read gives some events of one stream, forwards or backwards.
func (s *esStreams) Read(req *streams.ReadReq, to streams.Streams_ReadServer) error {
	from := req.GetOptions().GetStream()
	s.store.mu.Lock()
	events, found := s.store.streams[string(from.GetStreamIdentifier().GetStreamName())]
	events = slices.Clone(events)
	s.store.mu.Unlock()
	if !found {
		return to.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{
			StreamNotFound: &streams.ReadResp_StreamNotFound{StreamIdentifier: from.GetStreamIdentifier()}}})
	}
	if req.GetOptions().GetReadDirection() == streams.ReadReq_Options_Backwards {
		slices.Reverse(events)
	}
	if at, is := from.GetRevisionOption().(*streams.ReadReq_Options_StreamOptions_Revision); is {
		events = slices.DeleteFunc(events, func(e *streams.ReadResp_ReadEvent_RecordedEvent) bool { return e.GetStreamRevision() < at.Revision })
	}
	for _, e := range events[:min(uint64(len(events)), req.GetOptions().GetCount(), math.MaxInt32)] {
		err := to.Send(&streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
			Event: e, Position: &streams.ReadResp_ReadEvent_NoPosition{NoPosition: &shared.Empty{}}}}})
		if err != nil {
			return err
		}
	}
	return nil
}
