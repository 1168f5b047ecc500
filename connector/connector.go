package connector

import (
	"context"
	"net/http"
	"time"

	"github.com/ml-connector/ml-connector/money"
)

// Connector is the code for one service. The host may call every method from
// several goroutines at once; the context ends when the host gives up.
// Every error should be an [Error].
type Connector interface {
	// Manifest says what the connector offers. It makes no call.
	Manifest() Manifest

	// Check calls the service and says who we are there, what we may do and
	// what is missing. It is the first call for a connection.
	Check(ctx context.Context, s *Session, req CheckRequest) (CheckResult, error)

	// List returns what changed since a cursor, oldest change first.
	List(ctx context.Context, s *Session, req ListRequest) (Page, error)

	// Get reads records afresh. A record that is not there is left out of the
	// result; its order is free.
	Get(ctx context.Context, s *Session, req GetRequest) ([]Record, error)

	// Upsert makes the service hold what each write wants. It returns one
	// outcome for each write, in order; an error means that no write of the
	// call is known to have had an outcome.
	Upsert(ctx context.Context, s *Session, req UpsertRequest) ([]Outcome, error)
}

// CheckRequest asks about a connection.
type CheckRequest struct {
	// PostingAccounts are accounts (code or id) that a recipe will post to. Each
	// must exist, be active and able to receive payments, or Check fails as
	// Invalid with a remedy.
	PostingAccounts []string
	// CounterAccounts are accounts at the other end of what is posted: a fee's
	// expense, a payout's bank account. Each must exist and be active.
	CounterAccounts []string
	// Currency is the ISO 4217 code of the money that arrives in the posting
	// accounts; an account that cannot hold it makes Check fail likewise. Empty:
	// not known.
	Currency string
}

// CheckResult says who we are in the service.
type CheckResult struct {
	Account Account   // zero when several are possible and the settings name none
	Choices []Account // every account that the credential reaches
	Missing []string  // permissions that are needed and lacking
	Excess  []string  // permissions that are there and not needed
	Notes   []string  // anything else that a person should know
}

// Account is one authorised account: an organisation, a merchant.
type Account struct {
	ID       string
	Name     string
	Currency string
	Live     bool   // real money
	TimeZone string // IANA name; empty: unknown
}

// ListRequest asks for a page of changes.
type ListRequest struct {
	Entity   Entity
	Stream   string    // one of the entity's streams; empty: the records that are in none
	Cursor   string    // opaque, from an earlier Page; empty: start at Since
	Since    time.Time // used when Cursor is empty; zero: from the beginning
	PageSize int       // 1 to the manifest's PageSize
	IDsOnly  bool      // bodies are not needed, where leaving them out is cheaper
}

// Page is a page of changes, oldest first. A record that the connector cannot
// represent comes without its body; Get says what is wrong with it.
type Page struct {
	Records []Record
	Next    string // the cursor for the next List, also when More is false
	More    bool   // there is more now
}

// GetRequest asks for records by id.
type GetRequest struct {
	Entity Entity
	IDs    []string // at most the manifest's GetBatch
}

// UpsertRequest carries writes of one entity.
type UpsertRequest struct {
	Entity Entity
	Writes []Write // at most the manifest's UpsertBatch
}

// Write is one wanted record and what is needed to have it exactly once.
type Write struct {
	// Key is the idempotency key of the intent: at most 64 characters of
	// [a-z0-9-]. A write that takes several calls derives a key for each.
	Key      string
	TargetID string // the record that we know it by; empty: none known
	// Record is what the service should hold. A contact's field that is not set
	// is left as it is: of a contact that changes on both sides, only what changed
	// is written.
	Record Record
	Policy Policy
	// Attempt counts from 1. From 2 on an earlier attempt may have had its
	// effect: look for it by its mark before writing again.
	Attempt    int
	IntendedAt time.Time // when the intent was stored, UTC
}

// Policy carries what the owner chose, from the recipe to the connector. The
// zero value of a field leaves the choice to the connector's default.
type Policy struct {
	Refunds      RefundPolicy
	LockedPeriod LockedPeriodPolicy
}

// RefundPolicy says what a refund becomes in the books.
type RefundPolicy string

// The refund policies.
const (
	RefundCreditNote RefundPolicy = "credit_note" // a credit note, paid out of the clearing account
	RefundReopen     RefundPolicy = "reopen"      // the receipt is reversed: the invoice is due again
)

// LockedPeriodPolicy says what becomes of a payment dated in a locked period.
type LockedPeriodPolicy string

// The locked-period policies.
const (
	LockedNextOpenDay LockedPeriodPolicy = "next_open_day" // the true date goes into the reference
	LockedPerson      LockedPeriodPolicy = "person"
)

// Outcome is what became of one write. Err is set exactly when Result is empty.
type Outcome struct {
	Result  Result
	ID      string
	Record  *Record // as it is now, when the service told
	Effects []Effect
	Reason  string // short, for people: "marked paid outside Stripe"
	Err     *Error
}

// Result says what a write did.
type Result string

// The results.
const (
	Created   Result = "created"
	Updated   Result = "updated"
	Unchanged Result = "unchanged" // it was already so
	Adopted   Result = "adopted"   // a record that somebody else made serves
)

// Failed returns the outcome of a write that did not succeed.
func Failed(err error, op string) Outcome { return Outcome{Err: AsError(err, op)} }

// WebhookReceiver is implemented by connectors whose service calls us back.
type WebhookReceiver interface {
	Connector
	// VerifyWebhook accepts a request only when the service signed it. It makes
	// no call to the service and is quick: the sender is waiting.
	VerifyWebhook(ctx context.Context, s *Session, req WebhookRequest) (WebhookVerdict, error)
}

// WebhookRegistrar is implemented by connectors that can tell their service
// where to send webhooks.
type WebhookRegistrar interface {
	WebhookReceiver
	// RegisterWebhook makes the service send the events that the connector
	// wants to url, once. It returns secrets for the host to keep.
	RegisterWebhook(ctx context.Context, s *Session, url string) (map[string]Secret, error)
}

// WebhookRequest is one webhook request exactly as it came.
type WebhookRequest struct {
	Header     http.Header
	Body       []byte
	ReceivedAt time.Time
}

// WebhookVerdict is the connector's answer to a webhook request.
type WebhookVerdict struct {
	Verdict    Verdict
	Reason     string // why it was refused
	Events     []Event
	DeliveryID string // shared by repeats of the delivery; empty: the body's digest is used
}

// Verdict says whether a webhook request is genuine.
type Verdict int

// The verdicts.
const (
	Accepted      Verdict = iota + 1
	Refused               // signature missing, wrong or out of time: 401
	NotConfigured         // no key, nothing can be verified: 503, so that the sender tries again
)

// Event is a hint that a record may have changed.
type Event struct {
	Ref        Ref
	Kind       EventKind
	OccurredAt time.Time
	DedupeKey  string // the same change has the same key
	AccountID  string // the account that it belongs to
	Stream     string // the stream that the record is in; empty: none
}

// EventKind says what happened, as far as the service tells.
type EventKind string

// The kinds of event.
const (
	EventCreated EventKind = "created"
	EventUpdated EventKind = "updated"
	EventDeleted EventKind = "deleted"
)

// Effect is one object in the service that was made for a write.
type Effect struct {
	What   string // "payment", "overpayment", "credit note"
	ID     string
	Amount money.Amount // unset where no money is concerned
}
