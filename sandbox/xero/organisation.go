package xero

import (
	"fmt"
	"slices"
	"time"
)

// The organisation: its settings, lock dates, currencies and tax rates.

type organisation struct {
	id, name, shortCode  string
	base, timezone       string
	zone                 *time.Location
	created              time.Time
	periodLock, yearLock day // empty: not set
}

// zones are Xero's names of time zones:
// https://developer.xero.com/documentation/api/accounting/types#time-zones
var zones = map[string]string{
	"NEWZEALANDSTANDARDTIME":  "Pacific/Auckland",
	"AUSEASTERNSTANDARDTIME":  "Australia/Sydney",
	"EAUSTRALIASTANDARDTIME":  "Australia/Brisbane",
	"WAUSTRALIASTANDARDTIME":  "Australia/Perth",
	"SINGAPORESTANDARDTIME":   "Asia/Singapore",
	"TOKYOSTANDARDTIME":       "Asia/Tokyo",
	"GMTSTANDARDTIME":         "Europe/London",
	"WEUROPESTANDARDTIME":     "Europe/Berlin",
	"SOUTHAFRICASTANDARDTIME": "Africa/Johannesburg",
	"EASTERNSTANDARDTIME":     "America/New_York",
	"CENTRALSTANDARDTIME":     "America/Chicago",
	"PACIFICSTANDARDTIME":     "America/Los_Angeles",
	"UTC":                     "UTC",
}

func (s *Server) newOrganisation() organisation {
	zone, err := time.LoadLocation(zones[s.cfg.Timezone])
	if err != nil || zones[s.cfg.Timezone] == "" {
		s.log.Warn("unknown time zone, today is counted in UTC", "timezone", s.cfg.Timezone)
		zone = time.UTC
	}
	return organisation{id: newID(), name: s.cfg.Organisation, shortCode: "!" + newSecret()[:5],
		base: s.cfg.BaseCurrency, timezone: s.cfg.Timezone, zone: zone, created: s.now()}
}

// today is the calendar date in the organisation's time zone.
func (s *Server) today() day { return day(s.clock.Now().In(s.org.zone).Format(dayLayout)) }

// checkLock refuses a document dated on or before a lock date.
func (s *Server) checkLock(d day) error {
	if s.org.yearLock != "" && d <= s.org.yearLock {
		return refuse("The document date cannot be before the end of year lock date, currently set at %s",
			s.org.yearLock.time().Format(lockDayLayout))
	}
	if s.org.periodLock != "" && d <= s.org.periodLock {
		return refuse("The document date cannot be before the period lock date, currently set at %s",
			s.org.periodLock.time().Format(lockDayLayout))
	}
	return nil
}

func (c *call) getOrganisation() (reply, error) {
	o := c.s.org
	view := object{"OrganisationID": o.id, "Name": o.name, "LegalName": o.name, "PaysTax": true, "Version": "NZ",
		"OrganisationType": "COMPANY", "OrganisationEntityType": "COMPANY", "BaseCurrency": o.base, "CountryCode": "NZ",
		"IsDemoCompany": true, "OrganisationStatus": "ACTIVE", "FinancialYearEndDay": 31, "FinancialYearEndMonth": 3,
		"SalesTaxBasis": "PAYMENTS", "SalesTaxPeriod": "TWOMONTHS", "DefaultSalesTax": "Tax Exclusive",
		"DefaultPurchasesTax": "Tax Exclusive", "Timezone": o.timezone, "ShortCode": o.shortCode, "Edition": "BUSINESS",
		"Class": "PREMIUM", "CreatedDateUTC": msDate(o.created), "Addresses": []object{}, "Phones": []object{},
		"ExternalLinks": []object{}, "PaymentTerms": object{}}
	if o.periodLock != "" {
		view["PeriodLockDate"] = o.periodLock.ms()
	}
	if o.yearLock != "" {
		view["EndOfYearLockDate"] = o.yearLock.ms()
	}
	return c.ok("Organisations", []object{view}), nil
}

func (c *call) getActions() (reply, error) {
	var list []object
	for _, name := range []string{"CreateApprovedInvoice", "CreateDraftInvoice", "CreateInvoicePayment", "UseMulticurrency"} {
		list = append(list, object{"Name": name, "Status": "ALLOWED"})
	}
	list = append(list, object{"Name": "ApproveTransactionsBeforePeriodLockDate", "Status": "NOT-ALLOWED"})
	return c.ok("Actions", list), nil
}

type currency struct {
	code, name string
	perNZD     rate // the sandbox's own fixed day rate
}

// currencies are those that the organisation is subscribed to.
var currencies = []currency{
	{"NZD", "New Zealand Dollar", rateOne}, {"USD", "United States Dollar", 600_000}, {"EUR", "Euro", 550_000},
	{"GBP", "British Pound", 470_000}, {"JPY", "Japanese Yen", 90_000_000}, {"KWD", "Kuwaiti Dinar", 184_000},
}

func findCurrency(code string) *currency {
	i := slices.IndexFunc(currencies, func(x currency) bool { return x.code == code })
	if i < 0 {
		return nil
	}
	return &currencies[i]
}

// dayRate is the rate that a document gets when it brings none.
func (s *Server) dayRate(code string) rate {
	foreign, base := findCurrency(code), findCurrency(s.org.base)
	if foreign == nil || base == nil || code == s.org.base {
		return rateOne
	}
	return rateOf(cents(foreign.perNZD), cents(base.perNZD))
}

func (s *Server) checkCurrency(code string) error {
	if findCurrency(code) == nil && code != s.org.base {
		return refuse("Organisation is not subscribed to currency %s", code)
	}
	return nil
}

func (c *call) getCurrencies() (reply, error) {
	rows := []*currency{}
	for i := range currencies {
		rows = append(rows, &currencies[i])
	}
	return list(c, listing[currency]{plural: "Currencies", rows: rows,
		cols: columns[currency]{"code": func(x *currency) value { return textValue(x.code) }},
		id:   func(x *currency) string { return x.code },
		view: func(x *currency, _ bool) object { return object{"Code": x.code, "Description": x.name} }})
}

type taxRate struct {
	code, name, report string
	percent            frac
	sales, purchases   bool // what it can be used for
}

var taxRates = []taxRate{
	{"OUTPUT2", "15% GST on Income", "OUTPUT", 15 * fracOne, true, false},
	{"INPUT2", "15% GST on Expenses", "INPUT", 15 * fracOne, false, true},
	{"ZERORATED", "Zero Rated", "ZERORATED", 0, true, false},
	{"NONE", "No GST", "NONE", 0, true, true},
}

func findTaxRate(code string) *taxRate {
	i := slices.IndexFunc(taxRates, func(x taxRate) bool { return x.code == code })
	if i < 0 {
		return nil
	}
	return &taxRates[i]
}

// fits tells whether the rate may be used with an account.
func (t *taxRate) fits(a *account) bool {
	switch a.class() {
	case "REVENUE":
		return t.sales
	case "EXPENSE":
		return t.purchases
	}
	return true
}

func (c *call) getTaxRates() (reply, error) {
	rows := []*taxRate{}
	for i := range taxRates {
		rows = append(rows, &taxRates[i])
	}
	return list(c, listing[taxRate]{plural: "TaxRates", rows: rows,
		cols: columns[taxRate]{
			"taxtype": func(x *taxRate) value { return textValue(x.code) },
			"name":    func(x *taxRate) value { return textValue(x.name) },
			"status":  func(*taxRate) value { return textValue("ACTIVE") }},
		id: func(x *taxRate) string { return x.code },
		view: func(x *taxRate, _ bool) object {
			return object{"Name": x.name, "TaxType": x.code, "ReportTaxType": x.report, "Status": "ACTIVE",
				"CanApplyToAssets": true, "CanApplyToEquity": true, "CanApplyToLiabilities": true,
				"CanApplyToExpenses": x.purchases, "CanApplyToRevenue": x.sales,
				"DisplayTaxRate": x.percent, "EffectiveRate": x.percent,
				"TaxComponents": []object{{"Name": "GST", "Rate": x.percent, "IsCompound": false, "IsNonRecoverable": false}}}
		}})
}

// SetLockDates locks the books up to and including the given dates as
// YYYY-MM-DD; empty unlocks.
func (s *Server) SetLockDates(period, endOfYear string) error {
	for _, d := range []string{period, endOfYear} {
		if d == "" {
			continue
		}
		if _, err := time.Parse(dayLayout, d); err != nil {
			return fmt.Errorf("lock date: %w", err)
		}
	}
	return s.locked(func() error {
		s.org.periodLock, s.org.yearLock = day(period), day(endOfYear)
		return nil
	})
}

// DisconnectTenant removes the app from the organisation, as its owner can do
// in Xero: tokens stay valid, and every call answers 403.
func (s *Server) DisconnectTenant() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identity.connection = nil
}

// RevokeTokens ends all grants, so that only a new consent helps.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.identity.access {
		a.grant.revoked = true
	}
	for _, r := range s.identity.refresh {
		r.grant.revoked = true
	}
	s.identity.connection = nil
}
