package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The modes of a Courier.
const (
	ModeNormal = "normal"
	ModeOff    = "off"   // dropped and counted
	ModeHold   = "hold"  // kept until Release
	ModeTwice  = "twice" // each delivered two times
)

const (
	triesDefault    = 6
	deliverTimeout  = 5 * time.Second // services give a receiver about this long
	firstRetryAfter = time.Second
	retryDoublesMax = 12     // a wait stops growing at a little more than an hour
	waitingMax      = 20_000 // deliveries that wait at one time; more are dropped and counted
	answerBytesMax  = 64 << 10
)

// CourierConfig configures a Courier. A zero optional field means its stated
// default.
type CourierConfig struct {
	URL      string                                       // where to; empty: deliveries are held, not sent
	Sign     func(body []byte, now time.Time) http.Header // headers of one try, called anew for every try; default none
	Clock    *Clock                                       // the time that Sign sees; default the real time
	MaxTries int                                          // default 6
	Client   *http.Client                                 // default: 5 s timeout, no redirects
}

// CourierStats counts deliveries since the start.
type CourierStats struct {
	Sent       int `json:"sent"`        // tries, repeated ones included
	Delivered  int `json:"delivered"`   // answered with 2xx
	Failed     int `json:"failed"`      // given up after the last try
	Dropped    int `json:"dropped"`     // thrown away by mode off, or because too many waited
	Held       int `json:"held"`        // waiting for Release now
	Waiting    int `json:"waiting"`     // queued, in flight or waiting for the next try now
	LastStatus int `json:"last_status"` // 0: no answer yet, or none came
}

// Courier delivers webhooks over HTTP one after the other: queued, retried
// after 1 s, 2 s, 4 s and so on in real time, with chaos on demand. A delivery
// that waits for its next try lets the others pass. It is safe for concurrent
// use; Close must be called.
type Courier struct {
	sign   func([]byte, time.Time) http.Header
	clock  *Clock
	tries  int
	client *http.Client
	own    *http.Transport // of the default client; nil otherwise
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	url     string
	mode    string
	queue   []*delivery
	held    []*delivery
	flying  int
	stats   CourierStats
	changed chan struct{} // closed and replaced whenever the fields above change
}

type delivery struct {
	body  []byte
	tries int
	due   time.Time // real time
}

// NewCourier starts a courier.
func NewCourier(cfg CourierConfig) *Courier {
	c := &Courier{sign: cfg.Sign, clock: cfg.Clock, tries: cfg.MaxTries, client: cfg.Client, url: cfg.URL,
		mode: ModeNormal, done: make(chan struct{}), changed: make(chan struct{})}
	if c.sign == nil {
		c.sign = func([]byte, time.Time) http.Header { return nil }
	}
	if c.clock == nil {
		c.clock = NewClock()
	}
	if c.tries <= 0 {
		c.tries = triesDefault
	}
	if c.client == nil {
		c.own = &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: deliverTimeout}
		c.client = &http.Client{Transport: c.own, Timeout: deliverTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go c.run(ctx)
	return c
}

// SetURL changes where deliveries go, from the next try on. What was held
// because there was no URL stays held until Release.
func (c *Courier) SetURL(url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.url = url
	c.wake()
}

// Send queues one delivery; it does not wait. The body is copied.
func (c *Courier) Send(body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 1
	if c.mode == ModeTwice {
		n = 2
	}
	for range n {
		d := &delivery{body: bytes.Clone(body)}
		switch {
		case c.mode == ModeOff, len(c.queue)+len(c.held) >= waitingMax:
			c.stats.Dropped++
		case c.mode == ModeHold, c.url == "":
			c.held = append(c.held, d)
		default:
			c.queue = append(c.queue, d)
		}
	}
	c.wake()
}

// Mode sets what happens to deliveries from now on: "normal", "off", "hold" or
// "twice". Leaving "hold" does not release what is held.
func (c *Courier) Mode(m string) error {
	if !slices.Contains([]string{ModeNormal, ModeOff, ModeHold, ModeTwice}, m) {
		return fmt.Errorf("courier: unknown mode %q", m)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode = m
	return nil
}

// Release sends what was held, oldest or newest first. Without a URL it does
// nothing.
func (c *Courier) Release(reverse bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.url == "" {
		return
	}
	if reverse {
		slices.Reverse(c.held)
	}
	c.queue = append(c.queue, c.held...)
	c.held = nil
	c.wake()
}

// Stats counts what happened so far.
func (c *Courier) Stats() CourierStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Held = len(c.held)
	s.Waiting = len(c.queue) + c.flying
	return s
}

// Idle waits until nothing is queued, in flight or waiting for another try.
// What is held does not count.
func (c *Courier) Idle(ctx context.Context) error {
	for {
		c.mu.Lock()
		waiting, changed := len(c.queue)+c.flying, c.changed
		c.mu.Unlock()
		if waiting == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-c.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("courier: %d deliveries are waiting: %w", waiting, ctx.Err())
		}
	}
}

// Close stops the courier and waits for it. What was not delivered is gone.
func (c *Courier) Close() {
	c.cancel()
	<-c.done
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// wake tells those who wait that the state has changed. The caller holds mu.
func (c *Courier) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Courier) run(ctx context.Context) {
	defer close(c.done)
	for ctx.Err() == nil {
		d, url, pause, changed := c.next()
		if d != nil {
			c.deliver(ctx, d, url)
			continue
		}
		var due <-chan time.Time
		timer := time.NewTimer(pause)
		if pause > 0 {
			due = timer.C
		}
		select {
		case <-due:
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// next takes the first delivery that is due. When none is, pause is the time to
// the earliest one; 0 means that the queue is empty.
func (c *Courier) next() (d *delivery, url string, pause time.Duration, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for i, q := range c.queue {
		if wait := q.due.Sub(now); wait > 0 {
			if pause == 0 || wait < pause {
				pause = wait
			}
			continue
		}
		c.queue = slices.Delete(c.queue, i, i+1)
		c.flying = 1
		return q, c.url, 0, nil
	}
	return nil, "", pause, c.changed
}

func (c *Courier) deliver(ctx context.Context, d *delivery, url string) {
	status := c.post(ctx, url, d.body)
	c.mu.Lock()
	defer c.mu.Unlock()
	d.tries++
	c.flying = 0
	c.stats.Sent++
	c.stats.LastStatus = status
	switch {
	case status >= 200 && status < 300:
		c.stats.Delivered++
	case d.tries >= c.tries:
		c.stats.Failed++
	default:
		d.due = time.Now().Add(firstRetryAfter << min(d.tries-1, retryDoublesMax))
		c.queue = append(c.queue, d)
	}
	c.wake()
}

// post makes one try; the result is the status, or 0 when no answer came.
func (c *Courier) post(ctx context.Context, url string, body []byte) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	for k, v := range c.sign(body, c.clock.Now()) {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	res, err := c.client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, answerBytesMax)) // only the status counts
	return res.StatusCode
}
