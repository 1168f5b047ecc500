// Command summary turns the events of `go test -json` on its standard input into
// lines for people: one per package, the whole output of what failed, every
// test that was left out with its reason, and the count at the end.
//
// It fails when a test or a package failed, and when there was no test at all.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	verbose := flag.Bool("v", false, "print a line for every test")
	flag.Parse()
	s := summary{out: os.Stdout, verbose: *verbose, output: map[string][]string{}}
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(1)
	}
	s.end()
	if s.failed > 0 || s.packagesFailed > 0 || s.passed == 0 {
		os.Exit(1)
	}
}

// event is what `go help test` and `go doc test2json` describe.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of a package that does not build
	Test        string
	Elapsed     json.Number
	Output      string
	FailedBuild string
}

type summary struct {
	out     io.Writer
	verbose bool

	output  map[string][]string // what a test or package printed, until its end is known
	skipped []string

	passed, failed           int // tests and subtests
	packages, packagesFailed int
}

// read takes in all events. A line that is no event is passed on: it is what a
// tool printed outside of the tests.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
				fmt.Fprint(s.out, line)
			} else {
				s.take(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) {
	key := e.Package + e.ImportPath + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		s.output[key] = append(s.output[key], e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	printed := s.output[key]
	delete(s.output, key)
	if e.Test != "" {
		s.takeTest(e, printed)
		return
	}
	s.takePackage(e, printed)
}

func (s *summary) takeTest(e event, printed []string) {
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed++
		fmt.Fprint(s.out, strings.Join(printed, ""))
		return
	case "skip":
		s.skipped = append(s.skipped, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(printed)))
	}
	if s.verbose {
		for _, line := range printed {
			if strings.HasPrefix(strings.TrimSpace(line), "--- ") {
				fmt.Fprint(s.out, line)
			}
		}
	}
}

func (s *summary) takePackage(e event, printed []string) {
	if e.Action == "skip" { // no test files
		return
	}
	s.packages++
	if e.Action == "pass" {
		for _, line := range printed {
			if strings.HasPrefix(line, "ok ") {
				fmt.Fprint(s.out, line)
			}
		}
		return
	}
	s.packagesFailed++
	if e.FailedBuild != "" {
		key := e.FailedBuild + " "
		fmt.Fprint(s.out, strings.Join(s.output[key], ""))
		delete(s.output, key)
	}
	// A test that was running when the package ended has no end of its own.
	for key, lines := range s.output {
		if strings.HasPrefix(key, e.Package+" ") {
			fmt.Fprint(s.out, strings.Join(lines, ""))
			delete(s.output, key)
		}
	}
	fmt.Fprint(s.out, strings.Join(printed, ""))
}

// reason finds what a test said when it skipped itself: the line before last,
// "    file_test.go:12: why".
func reason(printed []string) string {
	why := "no reason given"
	for _, line := range printed {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		if _, after, ok := strings.Cut(line, ".go:"); ok {
			if _, text, ok := strings.Cut(after, ": "); ok {
				why = text
			}
		}
	}
	return why
}

func (s *summary) end() {
	for _, line := range s.skipped {
		fmt.Fprintln(s.out, "left out:", line)
	}
	fmt.Fprintf(s.out, "%d tests in %d packages: %d passed, %d failed, %d left out",
		s.passed+s.failed+len(s.skipped), s.packages, s.passed, s.failed, len(s.skipped))
	if s.packagesFailed > 0 {
		fmt.Fprintf(s.out, "; %d packages failed", s.packagesFailed)
	}
	fmt.Fprintln(s.out)
}
