package wire

import (
	"context"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/ml-connector/ml-connector/connector"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

// ProtocolVersion is the version of the contract in proto/connector/v1. Host
// and plugin negotiate it when the plugin starts.
const ProtocolVersion = 1

// pluginName is the one thing that a plugin process serves.
const pluginName = "connector"

// messageBytesMax bounds one gRPC message: a page of 1,000 invoices with many
// lines is a few MiB.
const messageBytesMax = 64 << 20

// Handshake keeps an executable that is no plugin from being taken for one. It
// is no secret and no security measure.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  ProtocolVersion,
		MagicCookieKey:   "ML_CONNECTOR_PLUGIN",
		MagicCookieValue: "d3b0a1f6-connector",
	}
}

// Plugins returns the plugin sets by protocol version. The host passes nil, a
// plugin its connector.
func Plugins(c connector.Connector, log hclog.Logger) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{
		ProtocolVersion: {pluginName: &grpcPlugin{connector: c, log: log}},
	}
}

// grpcPlugin is what go-plugin wants to hear.
type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	connector connector.Connector
	log       hclog.Logger
}

func (p *grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterConnectorServer(s, newServer(p.connector, p.log))
	return nil
}

func (p *grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &Client{rpc: pb.NewConnectorClient(conn)}, nil
}

// Dispense returns the connector that a started plugin serves.
func Dispense(p plugin.ClientProtocol) (*Client, error) {
	raw, err := p.Dispense(pluginName)
	if err != nil {
		return nil, err
	}
	return raw.(*Client), nil
}

// DialOptions are for the host's side of the connection.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithDefaultCallOptions(
		grpc.MaxCallRecvMsgSize(messageBytesMax), grpc.MaxCallSendMsgSize(messageBytesMax))}
}

func serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.MaxRecvMsgSize(messageBytesMax), grpc.MaxSendMsgSize(messageBytesMax)}
}

// hostEvery is how often a plugin looks whether its host is still there.
const hostEvery = time.Second

// endWithHost ends the process when its parent is another than at the start: a
// host that was killed cannot stop its plugins any more.
func endWithHost(log hclog.Logger) {
	host := os.Getppid()
	for range time.Tick(hostEvery) {
		if os.Getppid() != host {
			log.Warn("the host is gone, the plugin ends")
			os.Exit(1)
		}
	}
}

// Serve runs a connector as a plugin process until the host ends it or is gone.
// It is the whole of a plugin's main. Run by hand, it says that it is a plugin
// and exits.
func Serve(c connector.Connector) {
	log := hclog.New(&hclog.LoggerOptions{
		Name:       c.Manifest().Name,
		Level:      hclog.Trace, // the host filters
		JSONFormat: true,
	})
	go endWithHost(log)
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  Handshake(),
		VersionedPlugins: Plugins(c, log),
		Logger:           log,
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, serverOptions()...)...)
		},
	})
}
