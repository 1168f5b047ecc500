package connectortest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/ml-connector/ml-connector/connector/wire"
)

const (
	startWithin = 30 * time.Second
	prefix      = "ml-connector-plugin-" // of a name that the host finds

	outputBytesMax = 16 << 20 // a plugin that logs more in the checks logs too much
)

// VerifyBinary starts an executable as the host would and runs the checks on it,
// and a few on the process. The error says that the executable does not run as a
// plugin; failed checks are in the summary.
func VerifyBinary(ctx context.Context, path string, cfg Config, r Reporter) (Summary, error) {
	if r == nil || cfg.Connector != nil {
		return Summary{}, errors.New("connectortest: VerifyBinary needs a reporter, and starts the connector itself")
	}
	path, err := executable(path)
	if err != nil {
		return Summary{}, err
	}
	out := &output{}
	proc := start(path, out)
	defer proc.Kill()
	protocol, err := proc.Client()
	if err != nil {
		return Summary{}, fmt.Errorf("%s does not start as a plugin of protocol version %d: %w", path, wire.ProtocolVersion, err)
	}
	client, err := wire.Dispense(protocol)
	if err != nil {
		return Summary{}, fmt.Errorf("%s: %w", path, err)
	}
	cfg.Connector = client
	s, err := newSuite(ctx, cfg, r)
	if err != nil {
		return Summary{}, err
	}
	defer s.trap.close()
	s.run()
	s.check("process/name", func(context.Context) error {
		if want := prefix + s.manifest.Name; strings.TrimSuffix(filepath.Base(path), ".exe") != want {
			return fmt.Errorf("the host finds it only under the name %s", want)
		}
		return nil
	})
	s.check("process/no-leak", func(ctx context.Context) error { return s.noLeak(ctx, client) })
	s.check("process/lives", func(context.Context) error {
		if proc.Exited() {
			return errors.New("the process died during the checks")
		}
		return protocol.Ping()
	})
	s.check("process/ends", func(context.Context) error { return ends(proc) })
	s.check("secrets/output", func(context.Context) error { return out.clean(s.marked) })
	return s.sum, ctx.Err()
}

func executable(path string) (string, error) {
	path, err := filepath.Abs(path) // a bare name would be looked for in PATH
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s is not an executable file", path)
	}
	return path, nil
}

func start(path string, out *output) *plugin.Client {
	cmd := exec.Command(path)
	cmd.Env = []string{"TZ=UTC"}
	if tmp, ok := os.LookupEnv("TMPDIR"); ok {
		cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
	}
	return plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Plugins(nil, nil),
		Cmd:              cmd,
		AutoMTLS:         true,
		SkipHostEnv:      true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  wire.DialOptions(),
		StartTimeout:     startWithin,
		Stderr:           out,
		SyncStdout:       out,
		SyncStderr:       out,
		Logger:           hclog.New(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off}),
	})
}

// ends asks the process to end. One that has to be killed costs the host seconds
// at every stop.
func ends(proc *plugin.Client) error {
	begun := time.Now()
	proc.Kill()
	if took := time.Since(begun); took > promptly {
		return fmt.Errorf("the process had to be killed, after %s", took.Round(time.Millisecond))
	}
	return nil
}

// output keeps everything that the process says, on both of its streams.
type output struct {
	mu   sync.Mutex
	text []byte
	lost bool
}

// Write never fails: a plugin must not hang on a full pipe.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room := outputBytesMax - len(o.text)
	if room < len(p) {
		o.lost = true
	}
	o.text = append(o.text, p[:min(room, len(p))]...)
	return len(p), nil
}

func (o *output) clean(marked *canaries) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if marked.in(string(o.text)) {
		for line := range strings.Lines(string(o.text)) {
			if marked.in(line) {
				return fmt.Errorf("a secret is in the plugin's output: %.300s", marked.hide(strings.TrimSpace(line)))
			}
		}
		return errors.New("a secret is in the plugin's output, over several lines")
	}
	if o.lost {
		return fmt.Errorf("the plugin wrote more than %d bytes, and the rest was not searched", outputBytesMax)
	}
	return nil
}
