package wire

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ml-connector/ml-connector/connector"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

// The limits of an error's text. It travels in HTTP/2 headers, is stored with
// the attempt and is read by people; a service's whole error page is none of that.
const (
	errorTextBytesMax  = 4 << 10
	errorCandidatesMax = 100
)

// replacement stands for bytes that are not UTF-8, which gRPC refuses to carry:
// an error must not lose its kind because a service answered in another charset.
const replacement = "\uFFFD"

// plain makes text of any origin fit for the wire.
func plain(s string) string {
	s = strings.ToValidUTF8(s, replacement)
	if len(s) > errorTextBytesMax {
		s = strings.ToValidUTF8(s[:errorTextBytesMax-len("…")], "") + "…"
	}
	return s
}

func errorToWire(e *connector.Error) *pb.Error {
	w := &pb.Error{Kind: errorKinds.wire(e.Kind), Op: plain(e.Op), Message: plain(e.Message), Remedy: plain(e.Remedy)}
	for _, id := range e.Candidates[:min(len(e.Candidates), errorCandidatesMax)] {
		w.Candidates = append(w.Candidates, plain(id))
	}
	if e.RetryAfter > 0 {
		w.RetryAfter = durationpb.New(e.RetryAfter)
	}
	return w
}

func errorFromWire(w *pb.Error) *connector.Error {
	kind, err := errorKinds.read(w.GetKind())
	if err != nil || kind == 0 {
		kind = connector.UnknownOutcome // a kind that we do not know may have had an effect
	}
	return &connector.Error{
		Kind: kind, Op: w.GetOp(), Message: w.GetMessage(), Remedy: w.GetRemedy(),
		RetryAfter: w.GetRetryAfter().AsDuration(), Candidates: w.GetCandidates(),
	}
}

// statusOf turns an error of a connector into a gRPC status with our Error as
// its detail.
func statusOf(err error, op string) error {
	e := connector.AsError(err, op)
	st, detailErr := status.New(codes.FailedPrecondition, plain(e.Error())).WithDetails(errorToWire(e))
	if detailErr != nil {
		return status.Error(codes.Internal, "error could not be encoded")
	}
	return st.Err()
}

// errorOf turns what a call to a plugin returned into a connector.Error. broken
// is the kind for a plugin that died, timed out or spoke nonsense.
func errorOf(err error, op string, broken connector.Kind) error {
	if err == nil {
		return nil
	}
	if st, ok := status.FromError(err); ok {
		for _, d := range st.Details() {
			if e, ok := d.(*pb.Error); ok {
				return errorFromWire(e)
			}
		}
		switch st.Code() {
		case codes.Canceled:
			err = context.Canceled
		case codes.DeadlineExceeded:
			err = context.DeadlineExceeded
		default:
			err = errors.New(st.Message())
		}
	}
	e := connector.Errorf(broken, op, "the plugin did not answer: %w", err)
	return e.WithRemedy("the host restarts a plugin that died; if this goes on, see its lines in the log")
}
