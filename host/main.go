// Command ml-connector keeps accounting and payments in step: it loads connector
// plugins and runs recipes between them. See README.md.
package main

import (
	"os"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/cli"
)

func main() {
	time.Local = time.UTC // every time that is stored or shown is UTC
	os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
