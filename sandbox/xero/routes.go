package xero

// routes are the operations that are modelled; everything else answers 501.
// Scopes: https://developer.xero.com/documentation/guides/oauth2/scopes

const (
	scopeInvoices = "accounting.invoices"
	scopePayments = "accounting.payments"
	scopeContacts = "accounting.contacts"
	scopeSettings = "accounting.settings"
	scopeBank     = "accounting.banktransactions"
)

var (
	batch       = []string{"summarizeErrors"}
	batchLines  = []string{"summarizeErrors", "unitdp"}
	oneDocument = []string{"unitdp"}
	filters     = []string{"where", "order"}
	pages       = []string{"where", "order", "page", "pageSize"}
	pagesLines  = []string{"where", "order", "page", "pageSize", "unitdp"}
	pagesByRef  = []string{"where", "order", "page", "pageSize", "unitdp", "References"}
	// includeDeleted brings the deleted transfers, which are left out otherwise.
	transferList = []string{"where", "order", "includeDeleted"}
	contactList  = []string{"where", "order", "page", "pageSize", "IDs", "includeArchived", "summaryOnly", "searchTerm"}
	invoiceList  = []string{"where", "order", "page", "pageSize", "unitdp", "IDs", "InvoiceNumbers", "ContactIDs", "Statuses",
		"includeArchived", "createdByMyApp", "summaryOnly", "searchTerm"}
)

var routes = []route{
	{"GET", "Organisation", scopeSettings, nil, (*call).getOrganisation},
	{"GET", "Organisation/Actions", scopeSettings, nil, (*call).getActions},
	{"GET", "Accounts", scopeSettings, filters, (*call).listAccounts},
	{"GET", "Accounts/{id}", scopeSettings, nil, (*call).getAccount},
	{"GET", "Currencies", scopeSettings, filters, (*call).getCurrencies},
	{"GET", "TaxRates", scopeSettings, filters, (*call).getTaxRates},

	{"GET", "Contacts", scopeContacts, contactList, (*call).listContacts},
	{"GET", "Contacts/{id}", scopeContacts, nil, (*call).getContact},
	{"PUT", "Contacts", scopeContacts, batch, (*call).putContacts},
	{"POST", "Contacts", scopeContacts, batch, (*call).postContacts},
	{"POST", "Contacts/{id}", scopeContacts, nil, (*call).postContacts},

	{"GET", "Invoices", scopeInvoices, invoiceList, (*call).listInvoices},
	{"GET", "Invoices/{id}", scopeInvoices, oneDocument, (*call).getInvoice},
	{"PUT", "Invoices", scopeInvoices, batchLines, (*call).putInvoices},
	{"POST", "Invoices", scopeInvoices, batchLines, (*call).postInvoices},
	{"POST", "Invoices/{id}", scopeInvoices, oneDocument, (*call).postInvoices},
	{"GET", "Invoices/{id}/History", scopeInvoices, nil, (*call).getHistory},
	{"PUT", "Invoices/{id}/History", scopeInvoices, nil, (*call).putHistory},
	{"GET", "Invoices/{id}/OnlineInvoice", scopeInvoices, nil, (*call).getOnlineInvoice},

	{"GET", "Payments", scopePayments, pages, (*call).listPayments},
	{"GET", "Payments/{id}", scopePayments, nil, (*call).getPayment},
	{"PUT", "Payments", scopePayments, batch, (*call).putPayments},
	{"POST", "Payments", scopePayments, nil, (*call).postPayments},
	{"POST", "Payments/{id}", scopePayments, nil, (*call).postPayment},

	{"GET", "CreditNotes", scopeInvoices, pagesLines, (*call).listCreditNotes},
	{"GET", "CreditNotes/{id}", scopeInvoices, oneDocument, (*call).getCreditNote},
	{"PUT", "CreditNotes", scopeInvoices, batchLines, (*call).putCreditNotes},
	{"POST", "CreditNotes", scopeInvoices, batchLines, (*call).postCreditNotes},
	{"POST", "CreditNotes/{id}", scopeInvoices, oneDocument, (*call).postCreditNotes},
	{"PUT", "CreditNotes/{id}/Allocations", scopeInvoices, batch, (*call).putCreditNoteAllocations},
	{"DELETE", "CreditNotes/{id}/Allocations/{sub}", scopeInvoices, nil, (*call).deleteCreditNoteAllocation},

	{"GET", "Overpayments", scopePayments, pagesByRef, (*call).listOverpayments},
	{"GET", "Overpayments/{id}", scopePayments, nil, (*call).getOverpayment},
	{"PUT", "Overpayments/{id}/Allocations", scopePayments, batch, (*call).putOverpaymentAllocations},
	{"DELETE", "Overpayments/{id}/Allocations/{sub}", scopePayments, nil, (*call).deleteOverpaymentAllocation},
	{"GET", "Prepayments", scopePayments, pagesByRef, (*call).listPrepayments},
	{"GET", "Prepayments/{id}", scopePayments, nil, (*call).getPrepayment},
	{"PUT", "Prepayments/{id}/Allocations", scopePayments, batch, (*call).putPrepaymentAllocations},
	{"DELETE", "Prepayments/{id}/Allocations/{sub}", scopePayments, nil, (*call).deletePrepaymentAllocation},

	{"GET", "BankTransactions", scopeBank, pagesByRef, (*call).listBankTransactions},
	{"GET", "BankTransactions/{id}", scopeBank, oneDocument, (*call).getBankTransaction},
	{"PUT", "BankTransactions", scopeBank, batchLines, (*call).putBankTransactions},
	{"POST", "BankTransactions", scopeBank, batchLines, (*call).postBankTransactions},
	{"POST", "BankTransactions/{id}", scopeBank, oneDocument, (*call).postBankTransactions},
	{"GET", "BankTransfers", scopeBank, transferList, (*call).listBankTransfers},
	{"GET", "BankTransfers/{id}", scopeBank, nil, (*call).getBankTransfer},
	{"PUT", "BankTransfers", scopeBank, nil, (*call).putBankTransfers},
	{"POST", "BankTransfers", scopeBank, batch, (*call).postBankTransfers},
	{"POST", "BankTransfers/{id}", scopeBank, nil, (*call).postBankTransfers},
	{"GET", "BankTransfers/{id}/History", scopeBank, nil, (*call).getTransferHistory},
	{"PUT", "BankTransfers/{id}/History", scopeBank, nil, (*call).putTransferHistory},
}

func (c *call) putCreditNoteAllocations() (reply, error) {
	return c.putAllocations(c.s.creditNote(c.id), "CreditNoteID")
}

func (c *call) deleteCreditNoteAllocation() (reply, error) {
	return c.deleteAllocation(c.s.creditNote(c.id))
}

func (c *call) getOverpayment() (reply, error) { return c.getCredit(kindOverpayment, "Overpayments") }

func (c *call) putOverpaymentAllocations() (reply, error) {
	return c.putAllocations(c.s.credit(kindOverpayment, c.id), "OverpaymentID")
}

func (c *call) deleteOverpaymentAllocation() (reply, error) {
	return c.deleteAllocation(c.s.credit(kindOverpayment, c.id))
}

func (c *call) getPrepayment() (reply, error) { return c.getCredit(kindPrepayment, "Prepayments") }

func (c *call) putPrepaymentAllocations() (reply, error) {
	return c.putAllocations(c.s.credit(kindPrepayment, c.id), "PrepaymentID")
}

func (c *call) deletePrepaymentAllocation() (reply, error) {
	return c.deleteAllocation(c.s.credit(kindPrepayment, c.id))
}
