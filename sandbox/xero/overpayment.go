package xero

// Overpayments and prepayments are made by bank transactions; here they are
// read and allocated: https://developer.xero.com/documentation/api/accounting/overpayments

// credit finds an overpayment or prepayment by its id; nil when there is none.
func (s *Server) credit(kind, id string) *document {
	if d := s.documents.get(id); d != nil && d.kind == kind {
		return d
	}
	return nil
}

func (c *call) listOverpayments() (reply, error) {
	return c.listCredits("Overpayments", "overpayment", c.idSet("References"))
}

func (c *call) listPrepayments() (reply, error) {
	return c.listCredits("Prepayments", "prepayment", c.idSet("References"))
}

func (c *call) getCredit(kind, plural string) (reply, error) {
	d := c.s.credit(kind, c.id)
	if d == nil {
		return reply{}, notFound()
	}
	return c.ok(plural, []object{d.creditView(true, c.places())}), nil
}
