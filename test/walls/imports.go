package walls

import (
	"fmt"
	"slices"
	"strings"
)

// rooms are the packages of the host from the bottom up: a room imports only
// rooms that stand before it. A new room takes its place here.
var rooms = []string{
	"db", "vault", "audit", "job", "recipe", "supervisor", "connection",
	"flow", "reconcile", "webhook", "console", "cli",
}

// wall says what the packages below a folder may import of ours. The innermost
// folder counts.
type wall struct {
	folder string
	may    []string // trees
	why    string
}

var walls = []wall{
	{"money", nil, "money stands alone"},
	{"proto", nil, "generated code stands alone"},
	{"recipes", nil, "recipes are data"},
	{"connector", []string{"money"}, "the SDK must not know what carries it"},
	{"connector/wire", []string{"connector", "money", "proto"}, "translation is all that wire does"},
	{"connector/connectortest", []string{"connector", "money"}, "the conformance kit knows no host and no service"},
	{"plugins", []string{"connector", "money"}, "a plugin is built on the SDK and never on the host"},
	{"examples", []string{"connector", "money"}, "an example is what a stranger could write"},
	{"sandbox", []string{"sandbox", "money"}, "a stand-in knows no more of us than the service does"},
	{"host", []string{"host", "connector", "money"}, "the host knows connectors only through the SDK"},
	{"host/internal/db", nil, "db knows no table's meaning"},
	{"host/internal/vault", []string{"host/internal/db"}, "secrets have one home"},
	{"host/internal/audit", []string{"host/internal/db"}, "the trail depends on nothing that it reports on"},
	{"host/internal/job", []string{"host/internal/db"}, "the queue does not know what a job does"},
	{"host/internal/recipe", []string{"connector", "money"}, "recipes are pure: no I/O, clock or randomness"},
	{"host/internal/supervisor", []string{"connector"}, "the supervisor never touches the database"},
	{"host/internal/cli", []string{"host", "connector", "money", "recipes", "sandbox"}, "cli wires; demo and sandbox start the stand-ins"},
	{"test", []string{"connector", "money", "sandbox", "test"}, "these tests look from outside"},
}

// testsMay is what the tests below a folder may import besides.
var testsMay = map[string][]string{
	"plugins": {"sandbox"}, // they run against the stand-ins
	"sandbox": {"connector"},
	"host":    {"sandbox"},
}

// guarded are modules that only some of our packages may import, so that a
// newer or another one is a change of one room.
var guarded = []struct {
	tree string
	may  []string // our folders, with what is below them
	test bool     // tests may as well
}{
	{"github.com/riverqueue/river", []string{"host/internal/job", "host/internal/db"}, false},
	{"github.com/pressly/goose", []string{"host/internal/db"}, false},
	{"modernc.org/sqlite", []string{"host/internal/db"}, true}, // tests tamper with the file behind db's back
	{"github.com/tink-crypto/tink-go", []string{"host/internal/vault"}, false},
	{"cel.dev/cel-go", []string{"host/internal/recipe"}, false},
	{"github.com/spf13/cobra", []string{"host/internal/cli"}, false},
	{"github.com/hashicorp/go-plugin", []string{"connector/wire", "host/internal/supervisor", "connector/connectortest", "test/proof", "test/e2e"}, false},
	{"google.golang.org/grpc", []string{"connector/wire", "proto"}, true},
	{"google.golang.org/protobuf", []string{"connector/wire", "proto"}, true},
	{"github.com/stripe/stripe-go", []string{"plugins/stripe"}, true},
}

// importsDownward checks walls and the order of rooms.
func importsDownward(repo *repository) (findings []string) {
	for _, dir := range repo.packages {
		if dir.path == "." {
			findings = append(findings, fmt.Sprintf("%s: no Go file lives in the module's root", dir.files[0].path))
			continue
		}
		w, ok := wallOf(dir.path)
		if !ok {
			findings = append(findings, fmt.Sprintf("%s: no wall is drawn for this folder (see test/walls/imports.go)", dir.path))
			continue
		}
		for _, f := range dir.files {
			for _, in := range f.imports() {
				if in.ours && !allowed(w, dir.path, f.test, in.path) {
					findings = append(findings, fmt.Sprintf("%s: %s must not import %s: %s", repo.line(in.pos), dir.path, in.path, w.why))
				}
			}
		}
	}
	return append(findings, roomsInOrder(repo)...)
}

func wallOf(dir string) (best wall, ok bool) {
	for _, w := range walls {
		if within(dir, w.folder) && len(w.folder) > len(best.folder) {
			best, ok = w, true
		}
	}
	return best, ok
}

func allowed(w wall, dir string, test bool, target string) bool {
	if target == dir || within(target, home(dir)) || withinAny(target, w.may) {
		return true
	}
	for tree, more := range testsMay {
		if test && within(dir, tree) && withinAny(target, more) {
			return true
		}
	}
	return false
}

// home is the folder of the plugin or room that a package is part of, whose
// packages may import each other; "-" where every package stands alone.
func home(dir string) string {
	parts := strings.Split(dir, "/")
	for _, n := range []int{2, 3} {
		if len(parts) >= n && slices.Contains([]string{"plugins", "examples", "host/internal"}, strings.Join(parts[:n-1], "/")) {
			return strings.Join(parts[:n], "/")
		}
	}
	return "-"
}

func roomsInOrder(repo *repository) (findings []string) {
	for _, dir := range repo.packages {
		room, ok := strings.CutPrefix(dir.path, "host/internal/")
		if !ok {
			continue
		}
		room, _, _ = strings.Cut(room, "/")
		rank := slices.Index(rooms, room)
		if rank < 0 {
			findings = append(findings, fmt.Sprintf("%s: this room has no place in the order of rooms (see test/walls/imports.go)", dir.path))
			continue
		}
		for _, f := range dir.files {
			if f.test {
				continue
			}
			for _, in := range f.imports() {
				other, ok := strings.CutPrefix(in.path, "host/internal/")
				other, _, _ = strings.Cut(other, "/")
				if ok && slices.Index(rooms, other) > rank {
					findings = append(findings, fmt.Sprintf("%s: room %s must not import room %s, which stands above it", repo.line(in.pos), room, other))
				}
			}
		}
	}
	return findings
}

// modulesGuarded checks who imports the modules that have one home.
func modulesGuarded(repo *repository) (findings []string) {
	for _, dir := range repo.packages {
		if dir.path == "." {
			continue // importsDownward has a word about it
		}
		for _, f := range dir.files {
			for _, in := range f.imports() {
				for _, g := range guarded {
					if in.ours || !within(in.path, g.tree) || withinAny(dir.path, g.may) || (g.test && f.test) {
						continue
					}
					findings = append(findings, fmt.Sprintf("%s: only %s may import %s", repo.line(in.pos), strings.Join(g.may, ", "), g.tree))
				}
			}
		}
	}
	return findings
}
