package wire

import (
	"github.com/ml-connector/ml-connector/connector"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

var (
	entities = newEnum("entity", map[connector.Entity]pb.Entity{
		connector.EntityInvoice: pb.Entity_ENTITY_INVOICE,
		connector.EntityPayment: pb.Entity_ENTITY_PAYMENT,
		connector.EntityContact: pb.Entity_ENTITY_CONTACT,
	})
	verbs = newEnum("verb", map[connector.Verb]pb.Verb{
		connector.VerbList:      pb.Verb_VERB_LIST,
		connector.VerbGet:       pb.Verb_VERB_GET,
		connector.VerbUpsert:    pb.Verb_VERB_UPSERT,
		connector.VerbSubscribe: pb.Verb_VERB_SUBSCRIBE,
	})
	settingTypes = newEnum("setting type", map[connector.SettingType]pb.SettingType{
		connector.SettingText:    pb.SettingType_SETTING_TYPE_TEXT,
		connector.SettingInteger: pb.SettingType_SETTING_TYPE_INTEGER,
		connector.SettingURL:     pb.SettingType_SETTING_TYPE_URL,
	})
	invoiceKinds = newEnum("invoice kind", map[connector.InvoiceKind]pb.InvoiceKind{
		connector.InvoiceSale:     pb.InvoiceKind_INVOICE_KIND_SALE,
		connector.InvoicePurchase: pb.InvoiceKind_INVOICE_KIND_PURCHASE,
	})
	invoiceStatuses = newEnum("invoice status", map[connector.InvoiceStatus]pb.InvoiceStatus{
		connector.InvoiceDraft: pb.InvoiceStatus_INVOICE_STATUS_DRAFT,
		connector.InvoiceOpen:  pb.InvoiceStatus_INVOICE_STATUS_OPEN,
		connector.InvoicePaid:  pb.InvoiceStatus_INVOICE_STATUS_PAID,
		connector.InvoiceVoid:  pb.InvoiceStatus_INVOICE_STATUS_VOID,
	})
	taxModes = newEnum("tax mode", map[connector.TaxMode]pb.TaxMode{
		connector.TaxExclusive: pb.TaxMode_TAX_MODE_EXCLUSIVE,
		connector.TaxInclusive: pb.TaxMode_TAX_MODE_INCLUSIVE,
		connector.TaxNone:      pb.TaxMode_TAX_MODE_NONE,
	})
	paymentKinds = newEnum("payment kind", map[connector.PaymentKind]pb.PaymentKind{
		connector.PaymentReceipt:   pb.PaymentKind_PAYMENT_KIND_RECEIPT,
		connector.PaymentRefund:    pb.PaymentKind_PAYMENT_KIND_REFUND,
		connector.PaymentFee:       pb.PaymentKind_PAYMENT_KIND_FEE,
		connector.PaymentFeeRefund: pb.PaymentKind_PAYMENT_KIND_FEE_REFUND,
		connector.PaymentPayout:    pb.PaymentKind_PAYMENT_KIND_PAYOUT,
		connector.PaymentDispute:   pb.PaymentKind_PAYMENT_KIND_DISPUTE,

		connector.PaymentAdjustment: pb.PaymentKind_PAYMENT_KIND_ADJUSTMENT,
	})
	paymentStatuses = newEnum("payment status", map[connector.PaymentStatus]pb.PaymentStatus{
		connector.PaymentPending:   pb.PaymentStatus_PAYMENT_STATUS_PENDING,
		connector.PaymentSucceeded: pb.PaymentStatus_PAYMENT_STATUS_SUCCEEDED,
		connector.PaymentFailed:    pb.PaymentStatus_PAYMENT_STATUS_FAILED,
	})
	contactStatuses = newEnum("contact status", map[connector.ContactStatus]pb.ContactStatus{
		connector.ContactActive:   pb.ContactStatus_CONTACT_STATUS_ACTIVE,
		connector.ContactArchived: pb.ContactStatus_CONTACT_STATUS_ARCHIVED,
	})
	priorities = newEnum("priority", map[connector.Priority]pb.Priority{
		connector.PriorityWrite: pb.Priority_PRIORITY_WRITE,
		connector.PriorityRead:  pb.Priority_PRIORITY_READ,
		connector.PriorityPoll:  pb.Priority_PRIORITY_POLL,
	})
	errorKinds = newEnum("error kind", map[connector.Kind]pb.ErrorKind{
		connector.Invalid:        pb.ErrorKind_ERROR_KIND_INVALID,
		connector.NotFound:       pb.ErrorKind_ERROR_KIND_NOT_FOUND,
		connector.Conflict:       pb.ErrorKind_ERROR_KIND_CONFLICT,
		connector.Auth:           pb.ErrorKind_ERROR_KIND_AUTH,
		connector.RateLimited:    pb.ErrorKind_ERROR_KIND_RATE_LIMITED,
		connector.Unavailable:    pb.ErrorKind_ERROR_KIND_UNAVAILABLE,
		connector.UnknownOutcome: pb.ErrorKind_ERROR_KIND_UNKNOWN_OUTCOME,
	})
	results = newEnum("outcome result", map[connector.Result]pb.OutcomeResult{
		connector.Created:   pb.OutcomeResult_OUTCOME_RESULT_CREATED,
		connector.Updated:   pb.OutcomeResult_OUTCOME_RESULT_UPDATED,
		connector.Unchanged: pb.OutcomeResult_OUTCOME_RESULT_UNCHANGED,
		connector.Adopted:   pb.OutcomeResult_OUTCOME_RESULT_ADOPTED,
	})
	refundPolicies = newEnum("refund policy", map[connector.RefundPolicy]pb.RefundPolicy{
		connector.RefundCreditNote: pb.RefundPolicy_REFUND_POLICY_CREDIT_NOTE,
		connector.RefundReopen:     pb.RefundPolicy_REFUND_POLICY_REOPEN,
	})
	lockedPolicies = newEnum("locked period policy", map[connector.LockedPeriodPolicy]pb.LockedPeriodPolicy{
		connector.LockedNextOpenDay: pb.LockedPeriodPolicy_LOCKED_PERIOD_POLICY_NEXT_OPEN_DAY,
		connector.LockedPerson:      pb.LockedPeriodPolicy_LOCKED_PERIOD_POLICY_PERSON,
	})
	verdicts = newEnum("verdict", map[connector.Verdict]pb.Verdict{
		connector.Accepted:      pb.Verdict_VERDICT_ACCEPTED,
		connector.Refused:       pb.Verdict_VERDICT_REFUSED,
		connector.NotConfigured: pb.Verdict_VERDICT_NOT_CONFIGURED,
	})
	eventKinds = newEnum("event kind", map[connector.EventKind]pb.EventKind{
		connector.EventCreated: pb.EventKind_EVENT_KIND_CREATED,
		connector.EventUpdated: pb.EventKind_EVENT_KIND_UPDATED,
		connector.EventDeleted: pb.EventKind_EVENT_KIND_DELETED,
	})
)
