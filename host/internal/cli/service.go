package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/host/internal/webhook"
)

const (
	stopWithin  = 45 * time.Second // for attempts in flight when the service is told to stop
	headerLimit = 5 * time.Second
)

// service is the running host: queue, polling, webhooks, pages.
type service struct {
	r      *rooms
	engine *flow.Engine
	hooks  *webhook.Handler
	http   *http.Server
	ln     net.Listener

	pollEvery time.Duration // overrides the recipes'
	stopPolls context.CancelFunc
	polls     sync.WaitGroup
	served    chan error
}

// start brings everything up: the queue first, then what feeds it.
func (r *rooms) start(ctx context.Context, e *flow.Engine, listen string, pollEvery time.Duration, page http.Handler) (*service, error) {
	s := &service{r: r, engine: e, pollEvery: pollEvery, served: make(chan error, 1)}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen for webhooks: %w (see --listen)", err)
	}
	s.ln = ln
	if err := r.queue.Start(ctx, e.Run); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	metrics := r.metrics()
	s.hooks = webhook.New(webhook.Config{
		DB: r.db, Audit: r.audit, Connections: r.conns, Intake: e.Intake, Log: r.log.Named("webhook"), Metrics: metrics,
		Plugin: func(ctx context.Context, name string) (webhook.Receiver, error) { return r.sup.Plugin(ctx, name) },
	})
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/{connection}", s.hooks)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.Handle("/", page)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: headerLimit, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	go func() { s.served <- s.http.Serve(ln) }()
	s.startPolling()
	return s, nil
}

// url is where the service listens.
func (s *service) url() string { return "http://" + s.ln.Addr().String() }

// ready answers 200 when the database answers and every plugin that the recipes
// use runs.
func (s *service) ready(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), 2*time.Second)
	defer cancel()
	if err := s.r.db.Read().PingContext(ctx); err != nil {
		http.Error(w, "database does not answer", http.StatusServiceUnavailable)
		return
	}
	for _, name := range s.engine.Connections() {
		c, err := s.r.conns.Get(ctx, name)
		if err == nil {
			_, err = s.r.sup.Plugin(ctx, c.Connector)
		}
		if err != nil {
			http.Error(w, "connection "+name+" has no running plugin", http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ready")
}

// startPolling asks every source at its interval, the first time at once, and
// does the chores at theirs.
func (s *service) startPolling() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stopPolls = cancel
	for _, src := range s.engine.Sources() {
		if s.pollEvery > 0 {
			src.Every = s.pollEvery
		}
		s.polls.Add(1)
		go func() {
			defer s.polls.Done()
			s.poll(ctx, src)
		}()
	}
	s.startChores(ctx)
}

func (s *service) poll(ctx context.Context, src flow.Source) {
	log := s.r.log.Named("poll").With("source", src.String())
	tick := time.NewTicker(src.Every)
	defer tick.Stop()
	for {
		for {
			page, err := s.engine.Poll(ctx, src, time.Time{})
			if err != nil {
				if ctx.Err() == nil {
					log.Warn("poll failed, will try again", "in", src.Every, "error", err)
				}
				break
			}
			if page.Touched > 0 {
				log.Debug("poll found changes", "records", page.Records, "work", page.Touched)
			}
			if !page.More || ctx.Err() != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stop ends everything in the order of the data: no new webhooks, no new polls,
// then the attempts in flight.
func (s *service) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if e := <-s.served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	s.stopPolls()
	s.polls.Wait()
	s.hooks.Close()
	return errors.Join(err, s.r.queue.Stop(ctx), s.engine.Close(ctx))
}
