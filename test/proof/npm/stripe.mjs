// Stripe's own client against the stand-in: a customer, an invoice to pay, lists.
// Environment: NPM_CLIENTS (folder with node_modules), API_URL, API_KEY.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { NPM_CLIENTS, API_URL, API_KEY } = process.env;
const Stripe = createRequire(join(NPM_CLIENTS, 'package.json'))('stripe');

const { hostname, port } = new URL(API_URL);
const stripe = new Stripe(API_KEY, {
  apiVersion: '2023-10-16', protocol: 'http', host: hostname, port, maxNetworkRetries: 0, telemetry: false, timeout: 10_000,
});

const customer = await stripe.customers.create(
  { name: 'Ada Ltd', email: 'ada@example.com', metadata: { xero_contact_id: 'c-1' } }, { idempotencyKey: 'npm-customer' });
assert.equal(customer.metadata.xero_contact_id, 'c-1');
const twin = await stripe.customers.create(
  { name: 'Ada Ltd', email: 'ada@example.com', metadata: { xero_contact_id: 'c-1' } }, { idempotencyKey: 'npm-customer' });
assert.equal(twin.id, customer.id, 'the same key makes no second customer');
assert.deepEqual((await stripe.customers.list({ email: 'ada@example.com' })).data.map((c) => c.id), [customer.id]);

const draft = await stripe.invoices.create({
  customer: customer.id, currency: 'nzd', collection_method: 'send_invoice', days_until_due: 14, auto_advance: false,
  pending_invoice_items_behavior: 'exclude', metadata: { xero_invoice_id: 'x-1', xero_invoice_number: 'NPM-1' },
});
assert.equal(draft.status, 'draft');
for (const [amount, description] of [[10000, 'Work'], [1500, 'Tax']]) {
  await stripe.invoiceItems.create({ customer: customer.id, invoice: draft.id, amount, currency: 'nzd', description });
}
const open = await stripe.invoices.finalizeInvoice(draft.id, { expand: ['payment_intent'] });
assert.equal(open.status, 'open');
assert.equal(open.amount_due, 11500);
assert.ok(open.hosted_invoice_url.startsWith(API_URL));
assert.equal(open.payment_intent.amount, 11500);
await stripe.paymentIntents.update(open.payment_intent.id, { metadata: { xero_invoice_id: 'x-1' } });
const lines = await stripe.invoices.listLineItems(open.id);
assert.deepEqual(lines.data.map((l) => l.amount).sort((a, b) => a - b), [1500, 10000]);

const listed = [];
for await (const invoice of stripe.invoices.list({ customer: customer.id, limit: 1 })) listed.push(invoice.id);
assert.deepEqual(listed, [open.id]);

const settled = await stripe.invoices.pay(open.id, { paid_out_of_band: true });
assert.equal(settled.status, 'paid');
await assert.rejects(stripe.invoices.voidInvoice(open.id), (e) => e instanceof Stripe.errors.StripeInvalidRequestError && e.statusCode === 400);
await assert.rejects(stripe.customers.retrieve('cus_none'), (e) => e.code === 'resource_missing' && e.statusCode === 404);

const kinds = [];
for await (const event of stripe.events.list({ limit: 2 })) kinds.push(event.type);
for (const kind of ['customer.created', 'invoice.created', 'invoice.finalized', 'invoice.paid']) {
  assert.ok(kinds.includes(kind), `no event ${kind} among ${kinds}`);
}
console.log('stripe: done');
