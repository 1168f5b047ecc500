package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSummary(t *testing.T) {
	for _, tt := range []struct {
		name    string
		events  string
		verbose bool
		want    string
	}{
		{
			name: "a package that passes is one line",
			events: `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- PASS: TestA (0.01s)\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`,
			want: "ok  \tp\t0.1s\n1 tests in 1 packages: 1 passed, 0 failed, 0 left out\n",
		},
		{
			name: "every test is a line when asked for",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"--- PASS: TestA (0.01s)\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
`,
			verbose: true,
			want:    "--- PASS: TestA (0.01s)\n1 tests in 1 packages: 1 passed, 0 failed, 0 left out\n",
		},
		{
			name: "a failure shows what it printed, a pass does not",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			want: "got 1, want 2\nFAIL\tp\t0.1s\n2 tests in 1 packages: 1 passed, 1 failed, 0 left out; 1 packages failed\n",
		},
		{
			name: "what was left out says why",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: needs a browser: none found\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
`,
			want: "left out: p TestA: needs a browser: none found\n1 tests in 1 packages: 0 passed, 0 failed, 1 left out\n",
		},
		{
			name: "a package that does not build shows the compiler's words",
			events: `{"ImportPath":"p [p.test]","Action":"build-output","Output":"a.go:1:1: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}
`,
			want: "a.go:1:1: undefined: x\nFAIL\tp [build failed]\n0 tests in 1 packages: 0 passed, 0 failed, 0 left out; 1 packages failed\n",
		},
		{
			name: "a test that never ended is shown",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"panic: test timed out\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t900s\n"}
{"Action":"fail","Package":"p"}
`,
			want: "panic: test timed out\nFAIL\tp\t900s\n0 tests in 1 packages: 0 passed, 0 failed, 0 left out; 1 packages failed\n",
		},
		{
			name:   "a package without tests is not counted, other words are passed on",
			events: "go: something odd\n{\"Action\":\"skip\",\"Package\":\"p\"}\n",
			want:   "go: something odd\n0 tests in 0 packages: 0 passed, 0 failed, 0 left out\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			s := summary{out: &out, verbose: tt.verbose, output: map[string][]string{}}
			if err := s.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			s.end()
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
