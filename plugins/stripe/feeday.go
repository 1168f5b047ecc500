package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

const (
	daySeconds = int64(24 * time.Hour / time.Second)
	// dayRest is how long after its end a day is added up: balance transactions
	// may show a little later than they are dated.
	dayRest     = int64(time.Hour / time.Second)
	dayPrefix   = "fees_"
	dayPagesMax = 1000 // 100,000 balance transactions in a day
)

// feeDay is the fees of one UTC day in one currency.
type feeDay struct {
	start    int64 // Unix seconds
	currency stripe.Currency
	units    int64 // positive when money left
	count    int
	returned int // so many of them came back
}

func (d feeDay) date() string { return connector.DateOf(eventTime(d.start)).String() }
func (d feeDay) id() string   { return dayPrefix + d.date() + "_" + string(d.currency) }

// note says how many there are: "12 fees, 1 returned".
func (d feeDay) note() string {
	var parts []string
	switch charged := d.count - d.returned; charged {
	case 0:
	case 1:
		parts = append(parts, "1 fee")
	default:
		parts = append(parts, fmt.Sprintf("%d fees", charged))
	}
	if d.returned > 0 {
		parts = append(parts, fmt.Sprintf("%d returned", d.returned))
	}
	return strings.Join(parts, ", ")
}

// dayDue is the first day, by its start, that is not over for long enough.
func dayDue(now int64) int64 { return (now - dayRest) / daySeconds * daySeconds }

// days lists the days after the cursor, each once, when they are due. A span of
// days is taken that fits into a page: a longer one while nothing was there.
func (l *lister) days(ctx context.Context) ([]found, bool, error) {
	cur := l.cur
	cur.From = cur.From / daySeconds * daySeconds
	limit := pageSizeMax
	if cur.From >= dayDue(l.cn.now().Unix()) {
		limit = 1 // only to hear what time it is there
	}
	for range spansMax {
		width := max(1, cur.Width)
		to := cur.From + width*daySeconds
		p := &stripe.BalanceTransactionListParams{ListParams: listParams("", limit), CreatedRange: span(cur.From, to)}
		all, more, ex, err := l.cn.movements(ctx, p)
		if err != nil {
			return nil, false, err
		}
		due := dayDue(l.cn.clock(ex))
		if cur.From >= due {
			cur.Width = 0
			return nil, false, nil
		}
		if limit == 1 {
			limit = pageSizeMax
			continue
		}
		if more && width > 1 {
			cur.Width = width / 2
			continue
		}
		if more {
			if all, err = l.cn.restOf(ctx, p, all); err != nil {
				return nil, false, err
			}
		}
		out, err := l.takeDays(addDays(all), min(to, due))
		if err != nil {
			return nil, false, err
		}
		cur.Width = 2 * width
		if len(out) > 0 || cur.From >= due {
			return out, cur.From < due, nil
		}
	}
	return nil, true, nil // more of it in the next call
}

// takeDays turns days before end into records, as many as fit into the page, and
// moves the cursor behind them.
func (l *lister) takeDays(days []feeDay, end int64) ([]found, error) {
	cur := l.cur
	var out []found
	for _, d := range days {
		if d.start >= end || d.start == cur.From && string(d.currency) <= cur.After {
			continue
		}
		if len(out) == l.req.PageSize {
			return out, nil
		}
		rec, err := recordOfDay(d, connector.PaymentSucceeded)
		if err != nil { // it comes without its body; Get says why
			rec = &connector.Record{Entity: connector.EntityPayment, ID: d.id()}
		}
		out = append(out, found{id: d.id(), key: d.id(), rec: rec})
		cur.From, cur.After = d.start, string(d.currency)
	}
	cur.From, cur.After = end, ""
	return out, nil
}

// restOf reads the pages after the first.
func (cn *conn) restOf(ctx context.Context, p *stripe.BalanceTransactionListParams, all []*stripe.BalanceTransaction) ([]*stripe.BalanceTransaction, error) {
	for range dayPagesMax {
		p.StartingAfter = stripe.String(all[len(all)-1].ID)
		rows, more, _, err := cn.movements(ctx, p)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if !more || len(rows) == 0 {
			return all, nil
		}
	}
	return nil, connector.Errorf(connector.Invalid, opMovements, "a day has more than %d balance transactions", dayPagesMax*pageSizeMax)
}

// addDays adds fees up by day and currency, oldest first. Days whose fees come to
// nothing are left out.
func addDays(all []*stripe.BalanceTransaction) []feeDay {
	type key struct {
		start    int64
		currency stripe.Currency
	}
	sums := map[key]feeDay{}
	for _, bt := range all {
		units := feeOf(bt)
		if units == 0 {
			continue
		}
		k := key{bt.Created / daySeconds * daySeconds, bt.Currency}
		d := sums[k]
		d.start, d.currency = k.start, k.currency
		d.units += units
		d.count++
		if units < 0 {
			d.returned++
		}
		sums[k] = d
	}
	var out []feeDay
	for _, d := range sums {
		if d.units != 0 {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b feeDay) int {
		return strings.Compare(a.id(), b.id()) // by day, then by currency
	})
	return out
}

func recordOfDay(d feeDay, status connector.PaymentStatus) (*connector.Record, error) {
	pay, err := paidFee(d.units, d.currency)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "stripe: read fees", "fees of %s: %w", d.date(), err)
	}
	pay.Status = status
	pay.Date = connector.DateOf(eventTime(d.start))
	pay.PaidAt = eventTime(d.start + daySeconds - 1)
	pay.Label = "Stripe fees " + d.date()
	pay.Note = d.note()
	rec := withVersion(connector.Record{Entity: connector.EntityPayment, ID: d.id(), Payment: &pay})
	return &rec, nil
}

// dayPayment adds up a day of fees afresh. One that is not due is pending: it may
// still grow.
func (cn *conn) dayPayment(ctx context.Context, id string) (*connector.Record, error) {
	absent := connector.Errorf(connector.NotFound, "stripe: get payment", "%.60q is not a day with fees", id)
	date, code, ok := strings.Cut(strings.TrimPrefix(id, dayPrefix), "_")
	day, err := time.Parse(time.DateOnly, date)
	cur, codeErr := money.ParseCurrency(code)
	if !ok || err != nil || codeErr != nil || day.Unix() < 0 || strings.ToLower(string(cur)) != code {
		return nil, absent
	}
	start := day.Unix()
	p := &stripe.BalanceTransactionListParams{
		ListParams: listParams("", pageSizeMax), CreatedRange: span(start, start+daySeconds), Currency: stripe.String(code),
	}
	all, more, ex, err := cn.movements(ctx, p)
	if err == nil && more {
		all, err = cn.restOf(ctx, p, all)
	}
	if err != nil {
		return nil, err
	}
	for _, d := range addDays(all) {
		if d.id() != id {
			continue
		}
		status := connector.PaymentSucceeded
		if start >= dayDue(cn.clock(ex)) {
			status = connector.PaymentPending
		}
		return recordOfDay(d, status)
	}
	return nil, absent
}
