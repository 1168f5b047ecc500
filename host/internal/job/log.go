package job

import (
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// logHandler passes River's warnings and errors on to our log. River says at
// lower levels what our own log and the database say already.
type logHandler struct {
	log hclog.Logger
}

func (h logHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	fields := make([]any, 0, 2*r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, a.Key, a.Value.Resolve().String())
		return true
	})
	if r.Level >= slog.LevelError {
		h.log.Error(r.Message, fields...)
	} else {
		h.log.Warn(r.Message, fields...)
	}
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	fields := make([]any, 0, 2*len(attrs))
	for _, a := range attrs {
		fields = append(fields, a.Key, a.Value.Resolve().String())
	}
	return logHandler{log: h.log.With(fields...)}
}

func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{log: h.log.Named(name)} }
