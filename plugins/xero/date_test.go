package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

func TestInstant(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{ // want "": an error
		{name: "plain", text: `"/Date(1573755038314)/"`, want: "2019-11-14T18:10:38.314Z"},
		{name: "zero offset", text: `"/Date(1789344000000+0000)/"`, want: "2026-09-14T00:00:00Z"},
		{name: "the offset does not move it", text: `"/Date(1789344000000+1300)/"`, want: "2026-09-14T00:00:00Z"},
		{name: "negative offset", text: `"/Date(1789344000000-0800)/"`, want: "2026-09-14T00:00:00Z"},
		{name: "before 1970", text: `"/Date(-86400000+0000)/"`, want: "1969-12-31T00:00:00Z"},
		{name: "1970", text: `"/Date(0+0000)/"`, want: "1970-01-01T00:00:00Z"},
		{name: "ISO without a zone", text: `"2026-05-30T00:44:09.923"`, want: "2026-05-30T00:44:09.923Z"},
		{name: "ISO", text: `"2026-09-14T09:29:59Z"`, want: "2026-09-14T09:29:59Z"},
		{name: "null", text: `null`, want: "0001-01-01T00:00:00Z"},
		{name: "empty", text: `""`, want: "0001-01-01T00:00:00Z"},
		{name: "a number", text: `1789344000000`},
		{name: "cut off", text: `"/Date(1789344000000"`},
		{name: "words", text: `"/Date(now)/"`},
		{name: "a plus sign", text: `"/Date(+5)/"`},
		{name: "a strange offset", text: `"/Date(1789344000000+12x0)/"`},
		{name: "out of range", text: `"/Date(9223372036854775807)/"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got instant
			err := json.Unmarshal([]byte(tt.text), &got)
			if tt.want == "" {
				if err == nil {
					t.Errorf("read as %s", got)
				}
				return
			}
			if err != nil || got.Format(time.RFC3339Nano) != tt.want {
				t.Errorf("%s, %v", got.Format(time.RFC3339Nano), err)
			}
		})
	}
}

func TestLockDate(t *testing.T) {
	t.Parallel()
	day := func(d int) instant { return instant{time.Date(2026, time.October, d, 0, 0, 0, 0, time.UTC)} }
	tests := []struct {
		name         string
		period, year instant
		paid         int // day of October
		policy       connector.LockedPeriodPolicy
		want         string // "": a person
	}{
		{name: "nothing is locked", paid: 5, want: "2026-10-05"},
		{name: "after the lock", period: day(4), paid: 5, want: "2026-10-05"},
		{name: "on the lock date", period: day(5), paid: 5, want: "2026-10-06"},
		{name: "before the lock", period: day(31), paid: 5, want: "2026-11-01"},
		{name: "the year's lock is later", period: day(4), year: day(6), paid: 5, want: "2026-10-07"},
		{name: "a person", period: day(5), paid: 5, policy: connector.LockedPerson},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			org := organisation{PeriodLockDate: tt.period, EndOfYearLockDate: tt.year}
			p := &posting{trueDay: day(tt.paid).date(), out: &connector.Outcome{}, write: connector.Write{Policy: connector.Policy{LockedPeriod: tt.policy}}}
			if ok := p.chooseDay(org.lockDate()); ok != (tt.want != "") || ok && p.day.String() != tt.want {
				t.Errorf("%v, %s", ok, p.day)
			}
		})
	}
}

func FuzzInstant(f *testing.F) {
	for _, s := range []string{"/Date(1573755038314)/", "/Date(0+0000)/", "2026-05-30T00:44:09.923", "/Date(-1-0100)/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseInstant(s)
		if err != nil {
			return
		}
		if _, err := at.MarshalJSON(); err != nil {
			t.Fatalf("%q became %v: %v", s, at, err)
		}
	})
}
