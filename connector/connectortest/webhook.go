package connectortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// hugeBytes is far more than the host takes from the network; the connector must
// stay alive and quick all the same.
const hugeBytes = 8 << 20

func (s *suite) webhookChecks() {
	if !s.manifest.ReceivesWebhooks {
		s.check("webhook/not-offered", func(ctx context.Context) error {
			_, err := s.c.VerifyWebhook(ctx, s.session("webhook", true), delivery([]byte("{}"), nil))
			e, err := fault(err)
			if err == nil && e.Kind != connector.Invalid {
				err = fmt.Errorf("it is %s, not %s", e.Kind, connector.Invalid)
			}
			return err
		})
		return
	}
	calls := s.trap.be(refusing)
	s.check("webhook/no-key", func(ctx context.Context) error {
		if !slices.ContainsFunc(s.manifest.Settings, func(v connector.Setting) bool { return v.Secret && !v.Required }) {
			return skip("no secret is optional, so the key is always there")
		}
		v, err := s.c.VerifyWebhook(ctx, s.session("no-key", false), delivery([]byte("{}"), nil))
		return verdict(v, err, connector.NotConfigured)
	})
	s.check("webhook/unsigned", func(ctx context.Context) error {
		var errs []error
		for _, body := range []string{"", "{}", "\x00\xff", `{"events":[]}`} {
			v, err := s.c.VerifyWebhook(ctx, s.session("unsigned", true), delivery([]byte(body), nil))
			errs = append(errs, verdict(v, err, connector.Refused))
		}
		return errors.Join(errs...)
	})
	s.check("webhook/bad-signature", s.badSignature)
	s.check("webhook/oversized", s.oversized)
	s.check("webhook/genuine", s.genuine)
	s.check("webhook/no-calls", func(context.Context) error {
		if n := s.trap.count() - calls; n > 0 {
			return fmt.Errorf("verifying webhooks made %d calls to the service: the sender is waiting", n)
		}
		return nil
	})
}

func delivery(body []byte, h http.Header) connector.WebhookRequest {
	return connector.WebhookRequest{Header: h, Body: body, ReceivedAt: time.Now().UTC()}
}

func verdict(v connector.WebhookVerdict, err error, want connector.Verdict) error {
	words := map[connector.Verdict]string{
		connector.Accepted: "accepted", connector.Refused: "refused", connector.NotConfigured: "not configured",
	}
	switch {
	case err != nil:
		return fmt.Errorf("got an error, want the verdict %q: %w", words[want], err)
	case v.Verdict != want:
		return fmt.Errorf("got the verdict %q (%s), want %q", words[v.Verdict], v.Reason, words[want])
	case want != connector.Accepted && len(v.Events) > 0:
		return fmt.Errorf("the verdict is %q, but there are %d events", words[want], len(v.Events))
	case want == connector.Refused && v.Reason == "":
		return errors.New("a refusal without a reason")
	}
	return nil
}

// signatureHeaders guesses under which name the service signs: most use their own.
func (s *suite) signatureHeaders() []string {
	var own string
	for part := range strings.SplitSeq(s.manifest.Name, "-") {
		own += strings.ToUpper(part[:1]) + part[1:]
	}
	return []string{own + "-Signature", "X-" + own + "-Signature", "Signature", "X-Signature", "X-Hub-Signature-256", "Webhook-Signature"}
}

func (s *suite) badSignature(ctx context.Context) error {
	now := time.Now().Unix()
	var errs []error
	for _, sig := range []string{
		"", "=", "v1=", "x", "\xff\xfe", strings.Repeat("A", 43) + "=", strings.Repeat("0", 64), strings.Repeat(",v1=00", 1000),
		fmt.Sprintf("t=%d,v1=%s", now, strings.Repeat("0", 64)), fmt.Sprintf("t=%d", now), "t=99999999999999999999,v1=00", "t=-1,v1=",
	} {
		h := http.Header{}
		for _, name := range s.signatureHeaders() {
			h.Set(name, sig)
		}
		v, err := s.c.VerifyWebhook(ctx, s.session("bad-signature", true), delivery([]byte(`{"events":[]}`), h))
		if err := verdict(v, err, connector.Refused); err != nil {
			errs = append(errs, fmt.Errorf("signature %.40q: %w", sig, err))
		}
	}
	return errors.Join(errs...)
}

func (s *suite) oversized(ctx context.Context) error {
	for _, body := range [][]byte{bytes.Repeat([]byte("["), hugeBytes), bytes.Repeat([]byte{0}, hugeBytes)} {
		start := time.Now()
		v, err := s.c.VerifyWebhook(ctx, s.session("oversized", true), delivery(body, nil))
		if took := time.Since(start); took > hangWithin {
			return fmt.Errorf("%d bytes took %s", hugeBytes, took.Round(time.Millisecond))
		}
		if err != nil && connector.KindOf(err) == connector.Invalid {
			continue // refused in another way
		}
		if err := verdict(v, err, connector.Refused); err != nil {
			return err
		}
	}
	_, err := s.c.Describe(ctx)
	return err
}

// genuine checks that a good delivery is accepted, and that it stops being so with
// a change of one bit.
func (s *suite) genuine(ctx context.Context) error {
	if s.cfg.Fixtures.Delivery == nil {
		return skip("no genuine delivery was given")
	}
	sess, good := s.cfg.Fixtures.Delivery()
	v, err := s.c.VerifyWebhook(ctx, sess, good)
	if err := verdict(v, err, connector.Accepted); err != nil {
		return err
	}
	for _, e := range v.Events {
		if !s.manifest.Can(e.Ref.Entity, connector.VerbSubscribe) || e.DedupeKey == "" {
			return fmt.Errorf("event of %s: its entity offers no subscribe, or it has no dedupe key", e.Ref)
		}
	}
	for name, change := range map[string]func(*connector.WebhookRequest){
		"another body":     func(r *connector.WebhookRequest) { r.Body = flipped(r.Body) },
		"a longer body":    func(r *connector.WebhookRequest) { r.Body = append(slices.Clone(r.Body), ' ') },
		"no headers":       func(r *connector.WebhookRequest) { r.Header = nil },
		"changed headers":  func(r *connector.WebhookRequest) { r.Header = changed(r.Header) },
		"an empty body":    func(r *connector.WebhookRequest) { r.Body = nil },
		"doubled contents": func(r *connector.WebhookRequest) { r.Body = append(slices.Clone(r.Body), r.Body...) },
	} {
		bad := good
		change(&bad)
		v, err := s.c.VerifyWebhook(ctx, sess, bad)
		if err := verdict(v, err, connector.Refused); err != nil {
			return fmt.Errorf("a genuine delivery with %s: %w", name, err)
		}
	}
	return nil
}

func flipped(b []byte) []byte {
	out := slices.Clone(b)
	if len(out) > 0 {
		out[len(out)/2] ^= 1
	}
	return out
}

// changed exchanges a letter in the last quarter of every header.
func changed(h http.Header) http.Header {
	out := http.Header{}
	for name := range h {
		v := []byte(h.Get(name))
		for i := len(v) * 3 / 4; i < len(v); i++ {
			if c := other(v[i]); c != v[i] {
				v[i] = c
				break
			}
		}
		out.Set(name, string(v))
	}
	return out
}

// other returns another character of the same class, so that the form stays.
func other(c byte) byte {
	switch {
	case c >= '0' && c <= '8', c >= 'a' && c <= 'e', c >= 'A' && c <= 'E', c >= 'g' && c <= 'y', c >= 'G' && c <= 'Y':
		return c + 1
	case c == '9':
		return '0'
	case c == 'f', c == 'F':
		return c - 5
	case c == 'z', c == 'Z':
		return c - 25
	}
	return c
}
