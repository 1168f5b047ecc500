package main

import "github.com/ml-connector/ml-connector/connector"

const (
	version = "0.1.0"

	// The service takes about 50 elements in one write and pages of up to 1000
	// rows; 500 invoices with their lines stay below a few MB.
	upsertBatch = 50
	// A payment is some 200 bytes, and the invoices that a batch pays are read in
	// one call of getBatch ids.
	upsertPaymentBatch = 100
	pageRowsMax        = 500
	// 100 ids of 36 letters keep a URL below 4 KB.
	getBatch        = 100
	getPaymentBatch = 50
)

// neededScopes are the least that the connector needs:
// https://developer.xero.com/documentation/guides/oauth2/scopes/
var neededScopes = []string{
	"accounting.invoices", "accounting.payments", "accounting.contacts",
	"accounting.banktransactions", "accounting.settings.read",
}

const defaultScopes = "openid profile email offline_access accounting.invoices accounting.payments " +
	"accounting.contacts accounting.banktransactions accounting.settings.read"

// Manifest implements connector.Connector.
func (x *Xero) Manifest() connector.Manifest {
	verbs := []connector.Verb{connector.VerbList, connector.VerbGet, connector.VerbUpsert, connector.VerbSubscribe}
	return connector.Manifest{
		Name:     "xero",
		Title:    "Xero",
		Version:  version,
		Summary:  "Contacts, sales invoices with their payments and refunds, fees, disputes and payouts in a Xero organisation.",
		Settings: settings(),
		Entities: []connector.EntitySupport{
			{Entity: connector.EntityContact, Verbs: verbs, GetBatch: getBatch, UpsertBatch: upsertBatch, PageSize: pageRowsMax, ListsWhole: true},
			{Entity: connector.EntityInvoice, Verbs: verbs, GetBatch: getBatch, UpsertBatch: upsertBatch, PageSize: pageRowsMax, ListsWhole: true},
			{Entity: connector.EntityPayment, Verbs: verbs, GetBatch: getPaymentBatch, UpsertBatch: upsertPaymentBatch, PageSize: pageRowsMax, ListsWhole: true,
				Streams: paymentStreams},
		},
		OAuth: &connector.OAuth{
			AuthorizeURLSetting: "authorize_url",
			TokenURLSetting:     "token_url",
			ClientIDSetting:     "client_id",
			ClientSecretSetting: "client_secret",
			RedirectURLSetting:  "redirect_url",
			ScopesSetting:       "scopes",
			AccountSetting:      "tenant_id",
		},
		ReceivesWebhooks: true,
	}
}

func settings() []connector.Setting {
	return []connector.Setting{
		{Name: "client_id", Type: connector.SettingText, Required: true, Help: "Client id of your app at developer.xero.com"},
		{Name: "client_secret", Type: connector.SettingText, Required: true, Secret: true, Help: "Client secret of the app"},
		{Name: "webhook_key", Type: connector.SettingText, Secret: true, Help: "Webhooks signing key; several are separated by commas. Empty: webhooks are refused, changes are found by polling"},
		{Name: "tenant_id", Type: connector.SettingText, Help: "Organisation to work in, when the consent covers several"},
		{Name: "redirect_url", Type: connector.SettingURL, Default: "http://localhost:8484/oauth/callback", Help: "Redirect URI as registered with the app"},
		{Name: "scopes", Type: connector.SettingText, Default: defaultScopes, Help: "Permissions to ask for, separated by spaces"},
		{Name: "api_url", Type: connector.SettingURL, Default: "https://api.xero.com", Help: "Address of the API"},
		{Name: "authorize_url", Type: connector.SettingURL, Default: "https://login.xero.com/identity/connect/authorize", Help: "Where the owner consents"},
		{Name: "token_url", Type: connector.SettingURL, Default: "https://identity.xero.com/connect/token", Help: "Where tokens are exchanged and refreshed"},
		{Name: "calls_per_minute", Type: connector.SettingInteger, Default: "60", Help: "Most calls in a minute"},
		{Name: "calls_per_day", Type: connector.SettingInteger, Default: "5000", Help: "Most calls in a day; the Starter tier has 1000"},
		{Name: "calls_at_once", Type: connector.SettingInteger, Default: "5", Help: "Most calls at the same time"},
	}
}
