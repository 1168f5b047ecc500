package stripe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseForm(t *testing.T) {
	tests := []struct {
		name, in, canonical string
		bad                 bool
	}{
		{name: "flat", in: "b=2&a=1", canonical: "a=1&b=2"},
		{name: "nested", in: "a[0][b]=1&a[0][c]=2", canonical: "a%5B0%5D%5Bb%5D=1&a%5B0%5D%5Bc%5D=2"},
		{name: "list without numbers", in: "a[]=x&a[]=y", canonical: "a%5B0%5D=x&a%5B1%5D=y"},
		{name: "hashes in a list without numbers", in: "a[][x]=1&a[][y]=2&a[][x]=3", canonical: "a%5B0%5D%5Bx%5D=1&a%5B0%5D%5By%5D=2&a%5B1%5D%5Bx%5D=3"},
		{name: "encoded", in: "a%5Bb%5D=%26+x", canonical: "a%5Bb%5D=%26+x"},
		{name: "empty value", in: "a=", canonical: "a="},
		{name: "nothing", in: ""},
		{name: "open bracket", in: "a[b=1", bad: true},
		{name: "text after a bracket", in: "a[b]c=1", bad: true},
		{name: "no name", in: "=1", bad: true},
		{name: "too deep", in: "a[b][c][d][e][f][g]=1", bad: true},
		{name: "value and hash", in: "a=1&a[b]=2", bad: true},
		{name: "bad escape", in: "a=%zz", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := newHash()
			err := parseForm(root, tt.in)
			if (err != nil) != tt.bad {
				t.Fatalf("error %v", err)
			}
			if err == nil && root.canonical() != tt.canonical {
				t.Errorf("got %s, want %s", root.canonical(), tt.canonical)
			}
		})
	}
}

func FuzzParseForm(f *testing.F) {
	for _, s := range []string{"a=1", "a[0][b]=1&a[][c]=2", "a[]=&a[]", "metadata[k]=v", "[]=1", "a[b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		root := newHash()
		if parseForm(root, s) != nil {
			return
		}
		again := newHash()
		if err := parseForm(again, root.canonical()); err != nil {
			t.Fatalf("%q: its canonical form %q: %v", s, root.canonical(), err)
		}
		if again.canonical() != root.canonical() {
			t.Errorf("%q: %q became %q", s, root.canonical(), again.canonical())
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{`email:'a'`, `metadata['k']:'v' AND created>1`, `-name~"x\"y"`, `a:'`, ` OR `} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		terms, _, err := parseQuery(s)
		if err == nil && (len(terms) == 0 || len(terms) > searchTermsMax) {
			t.Errorf("%q: %d terms", s, len(terms))
		}
	})
}

func TestConvert(t *testing.T) {
	tests := []struct {
		name, from, to string
		amount, want   int64
	}{
		{name: "same", from: "nzd", to: "nzd", amount: 1050, want: 1050},
		{name: "half a cent up", from: "usd", to: "gbp", amount: 127, want: 100},
		{name: "no decimals to two", from: "jpy", to: "usd", amount: 1500, want: 1000},
		{name: "three decimals to two", from: "kwd", to: "usd", amount: 1000, want: 325},
		{name: "negative is symmetric", from: "usd", to: "nzd", amount: -10000, want: -16667},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := convert(tt.amount, tt.from, tt.to); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if got := fee(100); got != 33 {
		t.Errorf("fee of 100: %d, want 33", got)
	}
}

func TestPrevious(t *testing.T) {
	before := obj{"a": int64(1), "m": obj{"x": "1", "y": "2"}, "same": nil}
	after := obj{"a": int64(2), "m": obj{"x": "1", "z": "3"}, "same": nil}
	want := obj{"a": int64(1), "m": obj{"y": "2", "z": nil}}
	if diff := cmp.Diff(want, previous(before, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := previous(before, before); got != nil {
		t.Errorf("no change: %v", got)
	}
}
