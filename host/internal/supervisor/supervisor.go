// Package supervisor starts, watches, restarts and stops plugin processes.
//
// A plugin is an executable named ml-connector-plugin-NAME in the plugins
// folder. Its SHA-256 is pinned at first use; a changed binary is refused until
// somebody accepts it. Host and plugin speak gRPC with mutual TLS, and the
// plugin sees none of the host's environment but what it needs to reach the
// network.
//
// The supervisor never touches the database and knows no service.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/connector"
)

// prefix is what every plugin executable's name begins with.
const prefix = "ml-connector-plugin-"

// ErrUnknown says that no executable of that name is in the plugins folder.
var ErrUnknown = errors.New("no such connector")

// Config configures a Supervisor.
type Config struct {
	Dir     string        // required: the plugins folder
	PinFile string        // required: where checksums are remembered
	Log     hclog.Logger  // default: silent
	Start   time.Duration // how long a plugin may take to start; default 30 s

	// OnUsage, if set, is told what each call of each connection cost.
	OnUsage func(connection string, u connector.Usage)
}

// Supervisor owns the plugin processes. It is safe for concurrent use.
type Supervisor struct {
	cfg  Config
	pins *pins

	mu      sync.Mutex
	plugins map[string]*Plugin
	closed  bool
}

// Found is one executable in the plugins folder.
type Found struct {
	Name     string // "xero"
	Path     string
	Checksum string // SHA-256, hex
	Pinned   string // the accepted checksum; empty: never used yet
}

// New returns a Supervisor; it starts nothing.
func New(cfg Config) (*Supervisor, error) {
	if cfg.Dir == "" || cfg.PinFile == "" {
		return nil, errors.New("supervisor: plugins folder and pin file are required")
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	if cfg.Start == 0 {
		cfg.Start = 30 * time.Second
	}
	return &Supervisor{cfg: cfg, pins: &pins{file: cfg.PinFile}, plugins: map[string]*Plugin{}}, nil
}

// Discover lists the executables in the plugins folder by name.
func (s *Supervisor) Discover() ([]Found, error) {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("plugins folder: %w (see --plugins)", err)
	}
	accepted, err := s.pins.load()
	if err != nil {
		return nil, err
	}
	var out []Found
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || name == "" {
			continue
		}
		path := filepath.Join(s.cfg.Dir, e.Name())
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		sum, err := checksum(path)
		if err != nil {
			return nil, err
		}
		out = append(out, Found{Name: name, Path: path, Checksum: sum, Pinned: accepted[name]})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// Accept pins the executable as it is now.
func (s *Supervisor) Accept(name string) (Found, error) {
	f, err := s.find(name)
	if err != nil {
		return Found{}, err
	}
	f.Pinned = f.Checksum
	if err := s.pins.set(name, f.Checksum); err != nil {
		return Found{}, err
	}
	s.mu.Lock()
	p := s.plugins[name]
	s.mu.Unlock()
	if p != nil {
		p.startAtOnce()
	}
	return f, nil
}

func (s *Supervisor) find(name string) (Found, error) {
	all, err := s.Discover()
	if err != nil {
		return Found{}, err
	}
	names := make([]string, 0, len(all))
	for _, f := range all {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Found{}, fmt.Errorf("%w: %q is not in %s (found: %s)", ErrUnknown, name, s.cfg.Dir, strings.Join(names, ", "))
}

// Plugin returns the plugin of a connector, starting its process if it does not
// run yet.
func (s *Supervisor) Plugin(ctx context.Context, name string) (*Plugin, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errors.New("supervisor: stopped")
	}
	p, ok := s.plugins[name]
	if !ok {
		p = newPlugin(s, name)
		s.plugins[name] = p
	}
	s.mu.Unlock()
	if _, err := p.client(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// Manifest returns what a connector offers.
func (s *Supervisor) Manifest(ctx context.Context, name string) (connector.Manifest, error) {
	p, err := s.Plugin(ctx, name)
	if err != nil {
		return connector.Manifest{}, err
	}
	return p.Manifest(), nil
}

// Running lists the plugins whose process runs, by name.
func (s *Supervisor) Running() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for name, p := range s.plugins {
		if p.running() {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// Stop ends every plugin process and waits for it.
func (s *Supervisor) Stop() {
	s.mu.Lock()
	s.closed = true
	all := make([]*Plugin, 0, len(s.plugins))
	for _, p := range s.plugins {
		all = append(all, p)
	}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Add(1)
		go func() {
			defer wg.Done()
			p.stop()
		}()
	}
	wg.Wait()
}
