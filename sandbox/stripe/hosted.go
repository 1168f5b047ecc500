package stripe

import (
	"html/template"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// Hosted links expire, but one that the API has just shown works for at least
// ten more days: https://docs.stripe.com/invoicing/hosted-invoice-page
const (
	linkAfterDue = 30 * 24 * time.Hour
	linkMax      = 120 * 24 * time.Hour
	linkAtLeast  = 10 * 24 * time.Hour
	linkRenewed  = 11 * 24 * time.Hour // a day more, so that not every look makes a new link
)

// hostedLink is one address of an invoice's hosted page.
type hostedLink struct {
	token   string
	invoice string
	expires time.Time
}

// hostedURL is an address that works for at least ten days.
func (s *Server) hostedURL(inv *invoice) string {
	l := s.links[inv.id]
	if l == nil || l.expires.Sub(s.now) < linkAtLeast {
		start := time.Unix(max(inv.dueDate, inv.finalizedAt), 0)
		end := start.Add(linkAfterDue)
		if cap := time.Unix(inv.finalizedAt, 0).Add(linkMax); end.After(cap) {
			end = cap
		}
		if end.Sub(s.now) < linkAtLeast {
			end = s.now.Add(linkRenewed)
		}
		l = &hostedLink{token: token(), invoice: inv.id, expires: end}
		s.links[inv.id] = l
		s.links[l.token] = l
	}
	return s.base + "/pay/" + s.cfg.AccountID + "/" + l.token
}

var hostedPage = template.Must(template.New("pay").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Invoice {{.Number}}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}table{width:100%}td:last-child{text-align:right}
button{font:inherit;padding:.6rem 1.2rem;background:#0a5;color:#fff;border:0;border-radius:.4rem;cursor:pointer}.note{color:#666}</style></head>
<body><p class="note">Sandbox: no money moves here.</p>
<h1>Invoice {{.Number}}</h1>
<p>{{.Seller}} bills {{.Buyer}}{{with .Memo}}<br>{{.}}{{end}}</p>
<table>{{range .Lines}}<tr><td>{{.Text}}</td><td>{{.Amount}}</td></tr>{{end}}
<tr><td><strong>Amount due</strong></td><td><strong>{{.Due}}</strong></td></tr></table>
{{with .DueDate}}<p>Due on {{.}}</p>{{end}}
<p>Status: <strong>{{.Status}}</strong></p>
{{if .Payable}}<form method="post"><button type="submit">Pay {{.Due}}</button></form>{{end}}
</body></html>
`))

type hostedView struct {
	Number, Seller, Buyer, Memo, Due, DueDate, Status string
	Payable                                           bool
	Lines                                             []hostedLine
}

type hostedLine struct{ Text, Amount string }

// servePage shows an invoice to its customer; a POST pays it.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/pay/"+s.cfg.AccountID+"/")
	if !ok || strings.Contains(rest, "/") || strings.HasPrefix(rest, "in_") {
		http.Error(w, "The sandbox has no such page.", http.StatusNotFound)
		return
	}
	var view hostedView
	status := http.StatusOK
	_ = s.lever(func() error { // what went wrong is in status
		l, ok := s.links[rest]
		if !ok {
			status = http.StatusNotFound
			return nil
		}
		inv, ok := s.invoices.get(l.invoice)
		if !ok || s.now.After(l.expires) {
			status = http.StatusGone
			return nil
		}
		if r.Method == http.MethodPost {
			if _, err := s.payable(inv.id); err != nil {
				status = http.StatusConflict
			} else if _, err := s.pay(inv, OutcomeSuccess); err != nil {
				status = http.StatusConflict
			}
		}
		view = s.hostedView(inv)
		return nil
	})
	if view.Number == "" {
		http.Error(w, "This link does not work or has expired. Ask for a new one.", status)
		return
	}
	if r.Method == http.MethodPost && status == http.StatusOK {
		http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
	w.WriteHeader(status)
	_ = hostedPage.Execute(w, view) // the browser may be gone
}

func (s *Server) hostedView(inv *invoice) hostedView {
	v := hostedView{Number: inv.number, Seller: accountName, Buyer: inv.frozen.name, Memo: inv.description,
		Due: decimal(s.amountDue(inv)-inv.amountPaid, inv.currency), Status: inv.status, Payable: openInvoice(inv) && !s.processing(inv)}
	if s.processing(inv) {
		v.Status = "payment in progress"
	}
	if inv.dueDate != 0 {
		v.DueDate = time.Unix(inv.dueDate, 0).UTC().Format("2 January 2006")
	}
	for _, x := range inv.lines() {
		v.Lines = append(v.Lines, hostedLine{Text: x.description, Amount: decimal(x.amount, inv.currency)})
	}
	return v
}

// decimal writes minor units for people: "10.50 NZD".
func decimal(amount int64, cur string) string {
	exp := rates[cur].exponent
	return new(big.Rat).SetFrac(big.NewInt(amount), pow10(exp)).FloatString(exp) + " " + strings.ToUpper(cur)
}
