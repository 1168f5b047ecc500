package flow

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait for an event in these tests.
const patience = 20 * time.Second

// rapidChecks is how many histories the property test plays unless the command
// line says otherwise: each opens a database.
const rapidChecks = "10"

func TestMain(m *testing.M) {
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{
		"rapid.checks": rapidChecks, "rapid.nofailfile": "true", "rapid.seed": fmt.Sprint(time.Now().UnixNano() >> 8),
		"rapid.shrinktime": "10s",
	} {
		if !given[name] {
			_ = flag.Set(name, value)
		}
	}
	goleak.VerifyTestMain(m)
}
