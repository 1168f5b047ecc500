package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// I3: whatever is cut off, refused for a moment or tried again, late or soon,
// each movement stands once, and the account holds what has moved.
func TestMovementsUnderFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{DayLimit: 1_000_000, MinuteLimit: 1_000_000})
	w.session.Settings["calls_per_minute"], w.session.Settings["calls_per_day"] = "1000000", "1000000"
	rapid.Check(t, func(rt *rapid.T) {
		w.s.Faults().Clear()
		held, base := w.held(rt, "610"), w.keys
		var writes []connector.Write
		for i := range rapid.IntRange(1, 5).Draw(rt, "movements") {
			kind := rapid.SampledFrom([]connector.PaymentKind{connector.PaymentFee, connector.PaymentFeeRefund, connector.PaymentDispute, connector.PaymentPayout}).Draw(rt, "kind")
			minor := rapid.Int64Range(1, 300).Draw(rt, "minor")
			// Marks of which one is the beginning of another.
			write := w.movementOf(kind, fmt.Sprintf("txn_%08d%d", base, 1<<i), "1.00")
			write.Record.Payment.Amount = money.MustNew(minor, "NZD")
			if kind == connector.PaymentFeeRefund {
				minor = -minor
			}
			held -= minor
			writes = append(writes, write)
		}
		done := w.settleUnder(rt, writes)
		for i, write := range writes {
			if kind := write.Record.Payment.Kind; (kind == connector.PaymentDispute || kind == connector.PaymentPayout) && rapid.Bool().Draw(rt, "comes back") {
				held += write.Record.Payment.Amount.Minor()
				writes[i] = failed(write, done[i])
			} else {
				writes[i].TargetID = done[i].ID
			}
		}
		w.settleUnder(rt, writes)
		if got := w.held(rt, "610"); got != held {
			rt.Fatalf("the account holds %d minor units, want %d", got, held)
		}
		w.s.Faults().Clear()
		before := w.s.Calls().Writes
		for i := range writes {
			writes[i].Attempt++
		}
		for _, o := range w.pay(writes...) {
			if o.Result != connector.Unchanged {
				rt.Fatalf("another pass: %q %v", o.Result, o.Err)
			}
		}
		if n := w.s.Calls().Writes - before; n != 0 {
			rt.Fatalf("another pass wrote %d times", n)
		}
	})
}

// held is what an account holds, in minor units.
func (w *world) held(rt *rapid.T, code string) int64 {
	a, err := money.Parse(w.s.State().Accounts[code].Balance, "NZD")
	if err != nil {
		rt.Fatal(err)
	}
	return a.Minor()
}

// settleUnder tries writes until each has an outcome, while things go wrong.
func (w *world) settleUnder(rt *rapid.T, writes []connector.Write) []connector.Outcome {
	done := make([]connector.Outcome, len(writes))
	for attempt := 1; attempt <= 12; attempt++ {
		w.s.Faults().Clear()
		if attempt < 6 && rapid.Bool().Draw(rt, "fault") {
			f := sandbox.Fault{Kind: rapid.SampledFrom([]string{sandbox.FaultResetBefore, sandbox.FaultResetAfter, sandbox.FaultTruncate}).Draw(rt, "kind of fault"),
				Method: rapid.SampledFrom([]string{"GET", "PUT"}).Draw(rt, "method"), Times: rapid.IntRange(1, 2).Draw(rt, "times")}
			w.s.Faults().Add(f)
		}
		var open []int
		var send []connector.Write
		for i := range writes {
			if done[i].Result == "" {
				writes[i].Attempt = attempt
				open, send = append(open, i), append(send, writes[i])
			}
		}
		if len(open) == 0 {
			return done
		}
		for k, o := range w.pay(send...) {
			if o.Err != nil && o.Err.Kind != connector.UnknownOutcome && o.Err.Kind != connector.Unavailable {
				rt.Fatalf("attempt %d of %s: %v", attempt, send[k].Key, o.Err)
			}
			done[open[k]] = o
		}
		w.clock.Advance(rapid.SampledFrom([]time.Duration{time.Second, 7 * time.Minute}).Draw(rt, "wait"))
		w.session.AccessToken = connector.Secret(w.s.IssueTokens(strings.Fields(defaultScopes)...).AccessToken)
	}
	rt.Fatalf("not done after 12 attempts: %+v", done)
	return nil
}
