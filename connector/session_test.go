package connector_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/connector"
)

const canary = "sk_canary_3f9a"

// I8: a secret never shows, whatever it is printed with and wherever it sits.
func TestSecretNeverShows(t *testing.T) {
	s := connector.Secret(canary)
	session := &connector.Session{
		Connection: "books", Settings: map[string]string{"url": "https://example.com"},
		Secrets: map[string]connector.Secret{"api_key": s}, AccessToken: s,
	}
	holders := map[string]any{
		"secret": s, "pointer": &s, "session": session, "session value": *session,
		"slice": []connector.Secret{s}, "map": session.Secrets,
		"struct": struct{ Key connector.Secret }{s}, "any": []any{s},
	}
	for name, v := range holders {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%c", "%e", "%t", "%T", "%10.3s"} {
			hidden(t, name+" "+verb, fmt.Sprintf(verb, v))
		}
		hidden(t, name+" print", fmt.Sprint(v), fmt.Sprintln(v))
		hidden(t, name+" error", fmt.Errorf("call with %v", v).Error())
		if b, err := json.Marshal(v); err == nil {
			hidden(t, name+" JSON", string(b))
		}
		if b, err := xml.Marshal(v); err == nil {
			hidden(t, name+" XML", string(b))
		}
		hidden(t, name+" slog", logged(func(w io.Writer) {
			slog.New(slog.NewTextHandler(w, nil)).Info("call", "v", v)
			slog.New(slog.NewJSONHandler(w, nil)).Info("call", "v", v, slog.Group("g", "v", v))
		}))
		if name == "slice" {
			continue // see Secret: hclog's text form looks past the methods
		}
		hidden(t, name+" hclog", logged(func(w io.Writer) {
			for _, asJSON := range []bool{false, true} {
				hclog.New(&hclog.LoggerOptions{Output: w, JSONFormat: asJSON}).Info("call", "v", v)
			}
		}))
	}
	if s.Reveal() != canary {
		t.Errorf("Reveal: got %q", s.Reveal())
	}
}

func logged(write func(io.Writer)) string {
	var b bytes.Buffer
	write(&b)
	return b.String()
}

func hidden(t *testing.T, how string, out ...string) {
	t.Helper()
	for _, o := range out {
		for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
			if strings.Contains(o, form) {
				t.Errorf("%s shows the secret: %s", how, o)
			}
		}
	}
}

// An empty secret shows that it is empty: "no key is set" must be tellable.
func TestEmptySecret(t *testing.T) {
	if got := fmt.Sprintf("%v|%s", connector.Secret(""), connector.Secret("x")); got != "|[redacted]" {
		t.Errorf("got %q", got)
	}
}

func TestMeter(t *testing.T) {
	none := connector.Usage{MinuteRemaining: -1, DayRemaining: -1}
	for _, tc := range []struct {
		name  string
		count [][2]int // minute and day left
		want  connector.Usage
	}{
		{name: "nothing", want: none},
		{name: "limits unknown", count: [][2]int{{-1, -1}}, want: connector.Usage{Calls: 1, MinuteRemaining: -1, DayRemaining: -1}},
		{name: "the last word counts", count: [][2]int{{59, 4999}, {58, 4998}}, want: connector.Usage{Calls: 2, MinuteRemaining: 58, DayRemaining: 4998}},
		{name: "silence keeps what was said", count: [][2]int{{59, 4999}, {-1, 4998}, {-1, -1}}, want: connector.Usage{Calls: 3, MinuteRemaining: 59, DayRemaining: 4998}},
		{name: "none left is not unknown", count: [][2]int{{0, 0}}, want: connector.Usage{Calls: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var m connector.Meter
			ctx := connector.WithMeter(t.Context(), &m)
			for _, c := range tc.count {
				connector.MeterFrom(ctx).Count(c[0], c[1])
			}
			if diff := cmp.Diff(tc.want, m.Usage()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	connector.MeterFrom(t.Context()).Count(1, 1) // no meter: counts nothing
	if got := connector.MeterFrom(t.Context()).Usage(); got != none {
		t.Errorf("no meter: got %+v", got)
	}
}

func TestMeterCountsSideBySide(t *testing.T) {
	var m connector.Meter
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				m.Count(1, 1)
			}
		})
	}
	wg.Wait()
	if got := m.Usage().Calls; got != 800 {
		t.Errorf("got %d calls, want 800", got)
	}
}
