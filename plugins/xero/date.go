package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// instant is a moment as the service writes it: "/Date(1573755038314)/" or
// "/Date(1573755038314+0000)/", milliseconds since 1970 in UTC. The offset does
// not move the moment and is ignored. A calendar date is midnight UTC of that
// date. Sister fields carry ISO 8601 without a zone, which is UTC too.
type instant struct{ time.Time }

// UnmarshalJSON reads either form; null and "" are the zero instant.
func (i *instant) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*i = instant{}
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("date is not text: %w", err)
	}
	if s == "" {
		*i = instant{}
		return nil
	}
	t, err := parseInstant(s)
	if err != nil {
		return err
	}
	*i = instant{t}
	return nil
}

// date is the calendar date of an instant that stands for one.
func (i instant) date() connector.Date {
	if i.IsZero() {
		return connector.Date{}
	}
	return connector.DateOf(i.UTC())
}

func parseInstant(s string) (time.Time, error) {
	if rest, ok := strings.CutPrefix(s, "/Date("); ok {
		return parseMilliseconds(s, rest)
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return inCalendar(s, t)
		}
	}
	return time.Time{}, fmt.Errorf("date %.40q has an unknown form", s)
}

func parseMilliseconds(s, rest string) (time.Time, error) {
	digits, ok := strings.CutSuffix(rest, ")/")
	if !ok {
		return time.Time{}, fmt.Errorf("date %.40q has an unknown form", s)
	}
	if n := len(digits); n > 5 && (digits[n-5] == '+' || digits[n-5] == '-') {
		if _, err := strconv.ParseUint(digits[n-4:], 10, 16); err != nil {
			return time.Time{}, fmt.Errorf("date %.40q has an unknown form", s)
		}
		digits = digits[:n-5]
	}
	if strings.HasPrefix(digits, "+") {
		return time.Time{}, fmt.Errorf("date %.40q has an unknown form", s)
	}
	ms, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("date %.40q has an unknown form", s)
	}
	return inCalendar(s, time.UnixMilli(ms))
}

// inCalendar refuses moments outside the years 1 to 9999, which no document
// has and which later encoders refuse.
func inCalendar(s string, t time.Time) (time.Time, error) {
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("date %.40q is out of range", s)
	}
	return t, nil
}

// modifiedSince writes the one form of If-Modified-Since that the service reads
// reliably: UTC to the second, without a zone.
func modifiedSince(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }
