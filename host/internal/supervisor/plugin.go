package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/wire"
)

// A plugin that keeps dying is started again after a pause that doubles from
// restartFirst to restartCap; it starts over once it has lived for restartCap.
const (
	restartFirst = 200 * time.Millisecond
	restartCap   = 30 * time.Second
	watchEvery   = 500 * time.Millisecond
)

// passedOn are the host's variables that a plugin may see: what it takes to
// reach the network through a proxy and to find certificates and a place for
// its socket. Nothing else of the environment is handed on (I8).
var passedOn = []string{"HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR"}

// Plugin is one connector's process. Its calls go to whichever process runs
// now; it is safe for concurrent use.
type Plugin struct {
	s    *Supervisor
	name string
	log  hclog.Logger

	mu       sync.Mutex
	proc     *plugin.Client // nil: not running
	wired    *wire.Client
	manifest connector.Manifest
	started  time.Time
	pause    time.Duration // before the next start
	notUntil time.Time
	why      error // what the last start came to; said again until notUntil
	stopped  bool

	watching sync.Once
	quit     chan struct{}
	done     chan struct{}
}

func newPlugin(s *Supervisor, name string) *Plugin {
	return &Plugin{
		s: s, name: name, log: s.cfg.Log.Named(name), pause: restartFirst,
		quit: make(chan struct{}), done: make(chan struct{}),
	}
}

// Manifest returns what the running process offered when it started.
func (p *Plugin) Manifest() connector.Manifest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.manifest
}

func (p *Plugin) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proc != nil && !p.proc.Exited()
}

// client returns the running process's client, starting a process if need be.
func (p *Plugin) client(ctx context.Context) (*wire.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc != nil && !p.proc.Exited() {
		return p.wired, nil
	}
	if p.stopped {
		return nil, p.unavailable("the host is stopping")
	}
	if p.proc != nil {
		p.died()
	}
	if wait := time.Until(p.notUntil); wait > 0 {
		return nil, p.waiting(wait)
	}
	if err := p.start(ctx); err != nil {
		p.why = err
		p.backOff()
		var classified *connector.Error
		if errors.As(err, &classified) {
			return nil, err
		}
		return nil, p.unavailable("%w", err) // nothing was asked of the service
	}
	p.why = nil
	p.watching.Do(func() { go p.watch() })
	return p.wired, nil
}

// waiting says why there is no process now. Callers hold mu.
func (p *Plugin) waiting(wait time.Duration) error {
	err := p.unavailable("the plugin died and is started again in %s", wait.Round(time.Millisecond))
	var classified *connector.Error
	switch {
	case errors.As(p.why, &classified):
		again := *classified
		err = &again
	case p.why != nil:
		err = p.unavailable("%w", p.why)
	}
	err.RetryAfter = wait
	return err
}

// startAtOnce ends a pause between starts: somebody put right what was wrong.
func (p *Plugin) startAtOnce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notUntil, p.pause = time.Time{}, restartFirst
}

func (p *Plugin) unavailable(format string, args ...any) *connector.Error {
	return connector.Errorf(connector.Unavailable, "plugin "+p.name, format, args...)
}

// died notes that the process ended by itself. Callers hold mu.
func (p *Plugin) died() {
	p.log.Warn("plugin died", "lived", time.Since(p.started).Round(time.Millisecond))
	if time.Since(p.started) > restartCap {
		p.pause = restartFirst
	}
	p.proc.Kill() // reaps it and removes its socket
	p.proc, p.wired = nil, nil
	p.backOff()
}

func (p *Plugin) backOff() {
	p.notUntil = time.Now().Add(p.pause)
	p.pause = min(2*p.pause, restartCap)
}

// start runs the executable and shakes hands. Callers hold mu.
func (p *Plugin) start(ctx context.Context) error {
	f, err := p.s.find(p.name)
	if err != nil {
		return err
	}
	if err := p.s.pins.allow(f); err != nil {
		return err
	}
	sum, err := hex.DecodeString(f.Checksum)
	if err != nil {
		return err
	}
	cmd := exec.Command(f.Path)
	cmd.Env = passEnv()
	proc := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Plugins(nil, nil),
		Cmd:              cmd,
		SecureConfig:     &plugin.SecureConfig{Checksum: sum, Hash: sha256.New()},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  wire.DialOptions(),
		StartTimeout:     p.s.cfg.Start,
		Logger:           ownLog{p.log},
	})
	wired, manifest, err := shake(ctx, proc)
	if err != nil {
		proc.Kill()
		return p.unavailable("%s does not start as a plugin: %w", f.Path, err).
			WithRemedy("check that it is a connector built for protocol version %d and this machine", wire.ProtocolVersion)
	}
	if manifest.Name != p.name {
		proc.Kill()
		return connector.Errorf(connector.Invalid, "plugin "+p.name, "%s calls itself %q", f.Path, manifest.Name).
			WithRemedy("rename the executable to %s%s", prefix, manifest.Name)
	}
	if f.Pinned == "" {
		if err := p.s.pins.set(f.Name, f.Checksum); err != nil {
			proc.Kill()
			return err
		}
	}
	wired.OnUsage = p.s.cfg.OnUsage
	p.proc, p.wired, p.manifest, p.started = proc, wired, manifest, time.Now()
	p.log.Debug("plugin runs", "path", f.Path, "version", manifest.Version)
	return nil
}

func shake(ctx context.Context, proc *plugin.Client) (*wire.Client, connector.Manifest, error) {
	protocol, err := proc.Client()
	if err != nil {
		return nil, connector.Manifest{}, err
	}
	wired, err := wire.Dispense(protocol)
	if err != nil {
		return nil, connector.Manifest{}, err
	}
	m, err := wired.Describe(ctx)
	return wired, m, err
}

// watch starts a dead process again without waiting for the next call.
func (p *Plugin) watch() {
	defer close(p.done)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-tick.C:
			ctx, cancel := context.WithTimeout(context.Background(), p.s.cfg.Start)
			if _, err := p.client(ctx); err != nil {
				p.log.Debug("plugin is not back yet", "error", err)
			}
			cancel()
		}
	}
}

func (p *Plugin) stop() {
	p.mu.Lock()
	already := p.stopped
	p.stopped = true
	proc := p.proc
	p.mu.Unlock()
	if already {
		return
	}
	close(p.quit)
	watched := true
	p.watching.Do(func() { watched = false })
	if watched {
		<-p.done
	}
	if proc != nil {
		proc.Kill()
	}
}

// ownLog takes what go-plugin says of a process, which we stop as a matter of
// course after each command, out of the operator's sight.
type ownLog struct{ hclog.Logger }

// Info passes on at debug level.
func (l ownLog) Info(msg string, args ...any) { l.Debug(msg, args...) }

// Named keeps the plugin's own lines at their own level.
func (l ownLog) Named(name string) hclog.Logger { return l.Logger.Named(name) }

func passEnv() []string {
	env := []string{"TZ=UTC"}
	for _, k := range passedOn {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return env
}
