package xero

import (
	"errors"
	"strings"
	"testing"
)

func TestScaled(t *testing.T) {
	cases := []struct {
		in     string
		places int
		want   int64
		bad    bool
	}{
		{"10.50", 2, 1050, false}, {"-0.05", 2, -5, false}, {"7", 4, 70000, false}, {"1.500", 2, 150, false},
		{"1.005", 2, 0, true}, {"1e3", 2, 0, true}, {".5", 2, 0, true}, {"1.", 2, 0, true}, {"", 2, 0, true}, {"1.-5", 2, 0, true},
		{"9999999999999", 2, 0, true},
	}
	for _, tc := range cases {
		t.Run(tc.in, func(t *testing.T) {
			got, err := scaled(tc.in, tc.places)
			if (err != nil) != tc.bad || got != tc.want {
				t.Errorf("got %d %v, want %d", got, err, tc.want)
			}
		})
	}
	if _, err := scaled("1.005", 2); !errors.Is(err, errPlaces) {
		t.Errorf("got %v, want errPlaces", err)
	}
}

func TestUnscaledIsTheWayBack(t *testing.T) {
	for _, s := range []string{"0.00", "-0.05", "10.50", "123456.78"} {
		n, err := scaled(s, 2)
		if err != nil || unscaled(n, 2) != s {
			t.Errorf("%s came back as %s (%v)", s, unscaled(n, 2), err)
		}
	}
}

func TestLineAndTaxSums(t *testing.T) {
	cases := []struct {
		name                     string
		quantity, unit, discount string
		want, on, inside         cents
	}{
		{"whole", "2", "10", "0", 2000, 300, 261},
		{"half a cent goes up", "1", "0.005", "0", 1, 0, 0},
		{"negative half goes down", "1", "-0.005", "0", -1, 0, 0},
		{"third of a discount", "3", "33.33", "10", 8999, 1350, 1174},
		{"tax on half a cent", "1", "0.10", "0", 10, 2, 1},
		{"four decimals", "1.2345", "9.8765", "0", 1219, 183, 159},
	}
	parse := func(s string) frac { n, _ := scaled(s, fracPlaces); return frac(n) }
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := lineSum(parse(tc.quantity), parse(tc.unit), parse(tc.discount))
			if got != tc.want || taxOn(got, 15*fracOne) != tc.on || taxIn(got, 15*fracOne) != tc.inside {
				t.Errorf("got %s, tax %s on top, %s inside; want %s, %s, %s", got, taxOn(got, 15*fracOne), taxIn(got, 15*fracOne),
					tc.want, tc.on, tc.inside)
			}
		})
	}
}

func FuzzScaled(f *testing.F) {
	for _, s := range []string{"10.50", "-1", "1e3", "", "0.00005"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := scaled(s, 4)
		if err != nil {
			return
		}
		back, err := scaled(unscaled(n, 4), 4)
		if err != nil || back != n {
			t.Errorf("%q is %d, which comes back as %d %v", s, n, back, err)
		}
		if strings.ContainsAny(s, "eE+") {
			t.Errorf("%q was accepted", s)
		}
	})
}
