package recipe

import "github.com/ml-connector/ml-connector/connector"

type policy = connector.Policy

var policyStruct = newStruct("policy", "What the owner chose, handed to the connector.", func() any { return new(policy) },
	word("refunds", "what a refund becomes in the books", func(p *policy) *connector.RefundPolicy { return &p.Refunds },
		connector.RefundCreditNote, connector.RefundReopen),
	word("locked_period", "what becomes of a payment dated in a locked period", func(p *policy) *connector.LockedPeriodPolicy { return &p.LockedPeriod },
		connector.LockedNextOpenDay, connector.LockedPerson),
)
