package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	lockWait     = time.Second // another request holds the object for well below a second
	messageMax   = 500         // of Stripe's own words in a message
	refusedDelay = time.Minute // Stripe asked not to try again soon
)

// errReplayed is the cause of an error that Stripe answered from memory: the
// request under that key is over, so a look now tells what became of it.
var errReplayed = errors.New("the failed answer to an earlier request")

// errNoMail is the cause of a refusal of an invoice that is to be sent to a
// customer without an e-mail address. Stripe gives it no code.
var errNoMail = errors.New("the customer has no e-mail address")

const noMailText = "Missing email"

// paramError is the cause of a refusal of one parameter, permissionError that of
// a refusal for want of a permission.
type (
	paramError      string
	permissionError string
)

func (e paramError) Error() string      { return "the parameter " + string(e) }
func (e permissionError) Error() string { return "the permission " + string(e) }

// result judges what a call did. The text of the library's own error is never
// used: it prints the client secret of a payment intent.
func (ex *exchange) result(op string, err error) error {
	if err == nil {
		return nil
	}
	var own *connector.Error
	if errors.As(err, &own) { // from the transport: nothing was sent
		e := *own
		e.Op = op
		return &e
	}
	var se *stripe.Error
	if !errors.As(err, &se) {
		se = &stripe.Error{}
	}
	switch {
	case ex.status == 0:
		return ex.unreached(op, err)
	case errors.Is(err, errRedirect):
		return ex.unusable(op, connector.Invalid, err.Error()).
			WithRemedy("Check %s: it must be the address of the API itself.", settingURL)
	case errors.Is(err, errVersion):
		return ex.unusable(op, connector.Invalid, err.Error())
	case ex.status < 400 || errors.Is(err, errTooLarge):
		return ex.unusable(op, connector.Unavailable, "Stripe's answer cannot be read")
	}
	return ex.refused(op, se)
}

// unreached judges a call without an answer.
func (ex *exchange) unreached(op string, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) { // its text has the query in it
		err = ue.Err
	}
	kind := connector.Unavailable
	if ex.write && ex.sent.Load() {
		kind = connector.UnknownOutcome
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return connector.Errorf(kind, op, "no answer from Stripe in time")
	}
	return connector.Errorf(kind, op, "no answer from Stripe: %s", scrub(err.Error()))
}

// unusable judges an answer that nobody can rely on: a write may have happened.
func (ex *exchange) unusable(op string, reading connector.Kind, message string) *connector.Error {
	if ex.write {
		reading = connector.UnknownOutcome
	}
	return connector.Errorf(reading, op, "%s (status %d)", message, ex.status)
}

// refused judges an answer of 400 and above:
// https://docs.stripe.com/api/errors
func (ex *exchange) refused(op string, se *stripe.Error) error {
	e := &connector.Error{Op: op, Message: ex.words(se)}
	again := ex.header.Get("Stripe-Should-Retry")
	switch s := ex.status; {
	case s == http.StatusUnauthorized:
		e.Kind = connector.Auth
		e.Remedy = "The API key is wrong, expired or revoked: set " + settingKey + " to a valid one."
	case s == http.StatusForbidden:
		e.Kind = connector.Auth
		e.Remedy = "Give the restricted key this permission in the Stripe dashboard, or use another key."
		if p := permission(se.Msg); p != "" {
			e.Message, e.Err = "the API key lacks the permission "+p, permissionError(p)
		}
	case se.Code == stripe.ErrorCodeResourceMissing, s == http.StatusNotFound:
		e.Kind = connector.NotFound
	case s == http.StatusConflict, s == http.StatusTooManyRequests && se.Code == stripe.ErrorCodeLockTimeout:
		e.Kind, e.RetryAfter = connector.Unavailable, lockWait
	case s == http.StatusTooManyRequests:
		e.Kind, e.RetryAfter = connector.RateLimited, backoffFirst
	case s >= 500 && ex.write:
		e.Kind = connector.UnknownOutcome
		if ex.replayed() {
			e.Err = errReplayed
		}
	case s >= 500, s == http.StatusFailedDependency, again == "true":
		e.Kind = connector.Unavailable
	case se.Type == stripe.ErrorTypeIdempotency:
		e.Kind = connector.Invalid
		e.Remedy = "An earlier request used the same idempotency key for something else. Look at the record in Stripe, then replay."
	case strings.HasPrefix(se.Msg, noMailText):
		e.Kind, e.Err = connector.Invalid, errNoMail
	default:
		e.Kind, e.Err = connector.Invalid, paramError(se.Param)
	}
	if again == "false" && e.Kind == connector.Unavailable {
		e.RetryAfter = refusedDelay
	}
	return e
}

// words is a message from the parts of an error that are safe to show.
func (ex *exchange) words(se *stripe.Error) string {
	var b strings.Builder
	switch {
	case se.Msg != "":
		b.WriteString(cut(scrub(se.Msg), messageMax))
	default:
		b.WriteString("Stripe answered " + http.StatusText(ex.status))
	}
	var notes []string
	for _, n := range []struct{ name, value string }{
		{"code", string(se.Code)}, {"param", se.Param}, {"request", ex.header.Get("Request-Id")},
	} {
		if n.value != "" {
			notes = append(notes, n.name+" "+cut(scrub(n.value), 100))
		}
	}
	if len(notes) > 0 {
		b.WriteString(" (" + strings.Join(notes, ", ") + ")")
	}
	return b.String()
}

var (
	secretText     = regexp.MustCompile(`\b(?:[srp]k_(?:live|test)|whsec)_[A-Za-z0-9*_]+|_secret_[A-Za-z0-9]+`)
	permissionText = regexp.MustCompile(`\brak_[a-z_]+`)
)

// scrub removes what looks like a key, also a shortened one, or a client secret.
func scrub(s string) string { return secretText.ReplaceAllString(s, "[redacted]") }

// permission finds the name of the permission that a refusal asks for.
func permission(message string) string { return permissionText.FindString(message) }

// cut shortens text to at most n runes.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

// wrongParam reports whether Stripe refused one parameter of a request.
func wrongParam(err error, param string) bool {
	var e paramError
	return errors.As(err, &e) && string(e) == param
}
