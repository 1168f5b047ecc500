package reconcile

import (
	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/money"
)

// Where a refund reverses its receipt (connector.RefundReopen) it has no posting
// of its own: what stands for the receipt is smaller by it, or gone. So the
// receipt is held against what is left of it.

// applyReversals takes the refunds that reversed a receipt out of the comparison
// and their sums off what the receipts want.
func applyReversals(all []flow.Survey) error {
	reversed := map[flow.Ref]money.Amount{}
	for _, sv := range all {
		for i := range sv.Records {
			s := &sv.Records[i]
			if !reverses(*s) {
				continue
			}
			receipt := flow.Ref{Connection: s.Ref.Connection, Entity: s.Ref.Entity, ID: s.Source.Payment.PaymentOf}
			sum, err := s.Want.Payment.Amount, error(nil)
			if before, ok := reversed[receipt]; ok {
				sum, err = sum.Add(before)
			}
			if err != nil {
				return err
			}
			reversed[receipt] = sum
			s.Skipped = "its receipt was reversed for it"
		}
	}
	for _, sv := range all {
		for i := range sv.Records {
			s := &sv.Records[i]
			back, ok := reversed[s.Ref]
			if !ok || s.Want == nil || s.Want.Payment == nil || s.Want.Payment.Kind != connector.PaymentReceipt {
				continue
			}
			if err := lessen(s, back); err != nil {
				return err
			}
		}
	}
	return nil
}

// reverses reports whether a refund is in the books as less of its receipt.
func reverses(s flow.Surveyed) bool {
	if s.Want == nil || s.Want.Payment == nil || s.Source.Payment == nil || s.TargetID == "" {
		return false
	}
	want := s.Want.Payment
	own := s.Target != nil && s.Target.Payment != nil && s.Target.Payment.Status == connector.PaymentSucceeded &&
		firstWord(s.Target.Payment.Reference) == firstWord(want.Reference)
	return want.Kind == connector.PaymentRefund && want.Status == connector.PaymentSucceeded &&
		s.Policy.Refunds == connector.RefundReopen && !own
}

// lessen makes a receipt want what is left of it.
func lessen(s *flow.Surveyed, back money.Amount) error {
	left, err := s.Want.Payment.Amount.Sub(back)
	if err != nil {
		return err
	}
	want, pay := *s.Want, *s.Want.Payment
	want.Payment, s.Want = &pay, &want
	if left.Sign() <= 0 {
		pay.Status = connector.PaymentFailed // all of it is given back: nothing is to stand
	} else {
		pay.Amount = left
	}
	return nil
}
