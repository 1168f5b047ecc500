package wire

import (
	"fmt"
	"net"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ml-connector/ml-connector/connector"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

// Loopback serves a connector inside this process, over a real connection on the
// loopback interface: a test of a connector sees what the host would see, without
// an executable. It has no TLS and must not serve anything but tests. stop ends
// it. log may be nil.
func Loopback(c connector.Connector, log hclog.Logger) (_ *Client, stop func(), _ error) {
	return loopback(newServer(c, log))
}

func loopback(impl pb.ConnectorServer) (*Client, func(), error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("loopback: %w", err)
	}
	srv := grpc.NewServer(serverOptions()...)
	pb.RegisterConnectorServer(srv, impl)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(lis) // ends with Stop
	}()
	stop := func() {
		srv.Stop()
		<-done
	}
	conn, err := grpc.NewClient(lis.Addr().String(),
		append(DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("loopback: %w", err)
	}
	return &Client{rpc: pb.NewConnectorClient(conn)}, func() {
		_ = conn.Close()
		stop()
	}, nil
}
