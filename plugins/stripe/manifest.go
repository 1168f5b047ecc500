package main

import "github.com/ml-connector/ml-connector/connector"

// apiVersion is the only version of the API that this connector speaks. Under
// it a charge names its invoice and an invoice its payment intent.
const apiVersion = "2023-10-16"

const (
	batchMax     = 20  // records of one Get or Upsert; each costs calls of its own
	pageSizeMax  = 100 // Stripe's own limit: https://docs.stripe.com/api/pagination
	atOnce       = 8   // calls of one batch that run side by side; well below Stripe's concurrency limits
	defaultURL   = "https://api.stripe.com"
	settingKey   = "api_key"
	settingHook  = "webhook_secret"
	settingURL   = "api_url"
	settingSpeed = "calls_per_second"
)

// Manifest says what the connector offers.
func (c *Connector) Manifest() connector.Manifest {
	verbs := []connector.Verb{connector.VerbList, connector.VerbGet, connector.VerbUpsert, connector.VerbSubscribe}
	var entities []connector.EntitySupport
	for _, e := range connector.Entities() {
		sup := connector.EntitySupport{
			Entity: e, Verbs: verbs, GetBatch: batchMax, UpsertBatch: batchMax, PageSize: pageSizeMax,
		}
		if e == connector.EntityPayment {
			sup.Streams = paymentStreams()
		}
		entities = append(entities, sup)
	}
	return connector.Manifest{
		Name:    "stripe",
		Title:   "Stripe",
		Version: "0.1.0",
		Summary: "Invoices that customers pay online, their payments and refunds, customers, and what else moves the balance: fees, payouts, disputes.",
		Settings: []connector.Setting{
			{Name: settingKey, Type: connector.SettingText, Secret: true, Required: true,
				Help: "Secret or restricted API key: sk_… or rk_…. A restricted key is safer."},
			{Name: settingHook, Type: connector.SettingText, Secret: true,
				Help: "Signing secret of the webhook endpoint, whsec_…; several are separated by commas. Empty: webhooks are refused and only polling finds changes."},
			{Name: settingURL, Type: connector.SettingURL, Default: defaultURL,
				Help: "Where the API is."},
			{Name: settingSpeed, Type: connector.SettingInteger,
				Help: "Most calls in a second. Empty: 80 with a live key, 20 with a test key."},
		},
		Entities: entities,
	}
}
