package job

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestOnlyRiversWarningsAreLogged(t *testing.T) {
	var out strings.Builder
	log := slog.New(logHandler{log: hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Trace, DisableTime: true})})
	log.Debug("debug")
	log.Info("info")
	log.Warn("careful", "n", 1)
	log.With("queue", "default").WithGroup("part").Error("broken", slog.Group("at", "line", 7))
	const want = "[WARN]  careful: n=1\n[ERROR] part: broken: queue=default at=[line=7]\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
