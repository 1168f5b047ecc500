// Xero's own client against the stand-in: contacts, an invoice, a payment.
// Environment: NPM_CLIENTS (folder with node_modules), API_URL, ACCESS_TOKEN, TENANT_ID.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { NPM_CLIENTS, API_URL, ACCESS_TOKEN, TENANT_ID } = process.env;
const { XeroClient, Invoice, LineAmountTypes, Payment } = createRequire(join(NPM_CLIENTS, 'package.json'))('xero-node');

const client = new XeroClient();
client.setTokenSet({ access_token: ACCESS_TOKEN });
const api = client.accountingApi;
api.basePath = `${API_URL}/api.xro/2.0`;

const organisation = (await api.getOrganisations(TENANT_ID)).body.organisations[0];
assert.equal(organisation.baseCurrency, 'NZD');

const contact = (await api.createContacts(TENANT_ID,
  { contacts: [{ name: 'Ridgeway University', emailAddress: 'accounts@ridgeway.example' }] }, false, 'npm-contact')).body.contacts[0];
assert.match(contact.contactID, /^[0-9a-f-]{36}$/);
const where = `Name=="${contact.name}"`;
const found = (await api.getContacts(TENANT_ID, undefined, where, 'Name ASC', undefined, 1, true)).body.contacts;
assert.deepEqual(found.map((c) => c.contactID), [contact.contactID]);
assert.ok(found[0].updatedDateUTC instanceof Date && !Number.isNaN(found[0].updatedDateUTC.getTime()));

const made = (await api.createInvoices(TENANT_ID, {
  invoices: [{
    type: Invoice.TypeEnum.ACCREC,
    status: Invoice.StatusEnum.AUTHORISED,
    contact: { contactID: contact.contactID },
    invoiceNumber: 'NPM-1',
    date: '2026-10-31',
    dueDate: '2026-11-14',
    lineAmountTypes: LineAmountTypes.Exclusive,
    lineItems: [
      { description: 'Work', quantity: 2, unitAmount: 50, accountCode: '200', taxType: 'OUTPUT2' },
      { description: 'Stamps', quantity: 1, unitAmount: 10, accountCode: '200', taxType: 'NONE' },
    ],
  }],
}, false, 4, 'npm-invoice')).body.invoices[0];
assert.equal(made.total, 125);
assert.equal(made.amountDue, 125);

const paid = (await api.createPayments(TENANT_ID, {
  payments: [{ invoice: { invoiceID: made.invoiceID }, account: { code: '610' }, date: '2026-10-31', amount: 25, reference: 'ch_npm00001' }],
}, false, 'npm-payment')).body.payments[0];
assert.equal(paid.status, Payment.StatusEnum.AUTHORISED);
const again = (await api.createPayments(TENANT_ID, {
  payments: [{ invoice: { invoiceID: made.invoiceID }, account: { code: '610' }, date: '2026-10-31', amount: 25, reference: 'ch_npm00001' }],
}, false, 'npm-payment')).body.payments[0];
assert.equal(again.paymentID, paid.paymentID, 'the same key makes no second payment');

const after = (await api.getInvoice(TENANT_ID, made.invoiceID)).body.invoices[0];
assert.equal(after.amountDue, 100);
assert.equal(after.amountPaid, 25);
assert.equal(after.payments[0].reference, 'ch_npm00001');
const payments = (await api.getPayments(TENANT_ID, undefined, `Invoice.InvoiceID==guid("${made.invoiceID}")`)).body.payments;
assert.deepEqual(payments.map((p) => p.amount), [25]);

await assert.rejects(api.createPayments(TENANT_ID,
  { payments: [{ invoice: { invoiceID: made.invoiceID }, account: { code: '610' }, date: '2026-10-31', amount: 1000 }] }, true, 'npm-too-much'),
(e) => /exceeds the amount outstanding/.test(typeof e === 'string' ? e : JSON.stringify(e.body ?? e)));

await api.deletePayment(TENANT_ID, paid.paymentID, { status: 'DELETED' }, 'npm-delete');
assert.equal((await api.getInvoice(TENANT_ID, made.invoiceID)).body.invoices[0].amountDue, 125);
console.log('xero-node: done');
