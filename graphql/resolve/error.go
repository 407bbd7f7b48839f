package resolve

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/tollbook/tollbook/events"
)

// Refusals that the API itself makes.
var (
	// ErrSignIn is the answer to whoever has not signed in.
	ErrSignIn    = errors.New("sign in first")
	errEnrol     = events.Refuse(events.CodeForbidden, "your role needs a second factor: set it up first")
	errForbidden = events.Refuse(events.CodeForbidden, "your role does not allow this")
)

// maxMessage bounds what is said of a mistake in a query, in bytes.
const maxMessage = 500

// Presenter shows errors with a code, in "extensions". What is not a refusal is
// a fault of ours: it goes into the log and its text to nobody.
func Presenter(log *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		shown := graphql.DefaultErrorPresenter(ctx, err)
		var code, message string
		var domain *events.Error
		var parsed *gqlerror.Error
		switch {
		case errors.Is(err, ErrSignIn), hidden(ctx, shown):
			code, message = "UNAUTHENTICATED", ErrSignIn.Error()
		case errors.As(err, &domain) && domain.Code != events.CodeInternal:
			code, message = strings.ToUpper(string(domain.Code)), domain.Error()
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
			code, message = "UNAVAILABLE", "the answer took too long"
		case errors.As(err, &parsed) && errors.Unwrap(parsed) == nil:
			// A mistake in the query itself, parts of which it repeats.
			shown.Message = shown.Message[:min(len(shown.Message), maxMessage)]
			return shown
		default:
			log.ErrorContext(ctx, "graphql: field failed", "path", shown.Path.String(), "err", err)
			code, message = "INTERNAL", "internal error"
		}
		shown.Message = message
		if shown.Extensions == nil {
			shown.Extensions = map[string]any{}
		}
		shown.Extensions["code"] = code
		return shown
	}
}

// hidden says whether an error stands for the schema, which strangers do not see.
func hidden(ctx context.Context, shown *gqlerror.Error) bool {
	return graphql.HasOperationContext(ctx) && graphql.GetOperationContext(ctx).DisableIntrospection &&
		strings.HasPrefix(shown.Path.String(), "__")
}
