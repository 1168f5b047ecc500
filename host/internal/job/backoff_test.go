package job

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackoffWaits(t *testing.T) {
	for _, tc := range []struct {
		name   string
		policy Backoff
		number int
		whole  time.Duration
	}{
		{name: "first", policy: Backoff{First: time.Second, Factor: 200, Cap: time.Hour}, number: 1, whole: time.Second},
		{name: "doubles", policy: Backoff{First: time.Second, Factor: 200, Cap: time.Hour}, number: 5, whole: 16 * time.Second},
		{name: "grows by a half", policy: Backoff{First: time.Second, Factor: 150, Cap: time.Hour}, number: 3, whole: 2250 * time.Millisecond},
		{name: "stays", policy: Backoff{First: time.Second, Factor: 100, Cap: time.Hour}, number: 9, whole: time.Second},
		{name: "capped", policy: Backoff{First: time.Second, Factor: 200, Cap: 10 * time.Second}, number: 5, whole: 10 * time.Second},
		{name: "does not overflow", policy: Backoff{First: time.Hour, Factor: 1000, Cap: math.MaxInt64}, number: 100, whole: math.MaxInt64},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for seed := range uint64(50) {
				if got := tc.policy.wait(tc.number, seed); got < tc.whole/2 || got > tc.whole {
					t.Fatalf("waits %s, want %s to %s", got, tc.whole/2, tc.whole)
				}
			}
		})
	}
}

func TestBackoffProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "first"))
		b := Backoff{
			First:  first,
			Factor: rapid.IntRange(100, 10_000).Draw(t, "factor"),
			Cap:    time.Duration(rapid.Int64Range(int64(first), math.MaxInt64).Draw(t, "cap")),
		}
		if err := b.Check(); err != nil {
			t.Fatal(err)
		}
		number := rapid.IntRange(1, 1000).Draw(t, "number")
		seed := rapid.Uint64().Draw(t, "seed")
		got := b.wait(number, seed)
		if got < b.First/2 || got > b.Cap {
			t.Fatalf("attempt %d waits %s, out of %s to %s", number, got, b.First/2, b.Cap)
		}
		if again := b.wait(number, seed); again != got {
			t.Fatalf("waits %s, then %s", got, again)
		}
	})
}

func TestBackoffSpreads(t *testing.T) {
	b := Backoff{First: time.Hour, Factor: 200, Cap: time.Hour}
	seen := map[time.Duration]bool{}
	for work := range uint64(100) {
		seen[b.wait(1, 77^work)] = true
	}
	if len(seen) < 95 {
		t.Errorf("%d different waits for 100 works", len(seen))
	}
}

func TestAttemptNext(t *testing.T) {
	b := Backoff{First: time.Minute, Factor: 200, Cap: time.Hour, Attempts: 3}
	for _, tc := range []struct {
		name   string
		number int
		policy Backoff
		again  bool
	}{
		{name: "first", number: 1, policy: b, again: true},
		{name: "last but one", number: 2, policy: b, again: true},
		{name: "last", number: 3, policy: b},
		{name: "beyond", number: 4, policy: b},
		{name: "no limit", number: 900, policy: Backoff{First: 1, Factor: 100, Cap: 1}, again: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, again := (Attempt{Work: 1, Number: tc.number}).Next(tc.policy); again != tc.again {
				t.Errorf("again %v, want %v", again, tc.again)
			}
		})
	}
}

func TestBackoffCheck(t *testing.T) {
	good := Backoff{First: time.Second, Factor: 100, Cap: time.Second}
	for _, tc := range []struct {
		name   string
		change func(*Backoff)
		ok     bool
	}{
		{name: "good", change: func(*Backoff) {}, ok: true},
		{name: "no first wait", change: func(b *Backoff) { b.First = 0 }},
		{name: "shrinks", change: func(b *Backoff) { b.Factor = 99 }},
		{name: "cap below the first", change: func(b *Backoff) { b.Cap-- }},
		{name: "negative attempts", change: func(b *Backoff) { b.Attempts = -1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := good
			tc.change(&b)
			if err := b.Check(); (err == nil) != tc.ok {
				t.Errorf("got %v, want ok %v", err, tc.ok)
			}
		})
	}
}
