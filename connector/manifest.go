package connector

import "slices"

// Manifest says what a connector offers. It is fixed for a build.
type Manifest struct {
	Name     string // "xero": lower case, as in recipes and in the executable's name
	Title    string // "Xero"
	Version  string
	Summary  string // one sentence
	Settings []Setting
	Entities []EntitySupport
	OAuth    *OAuth // nil: the connection's secrets are all that it needs

	ReceivesWebhooks  bool // filled in by wire from the interfaces that the connector implements
	RegistersWebhooks bool
}

// Setting is one thing that a connection is configured with.
type Setting struct {
	Name     string
	Help     string
	Secret   bool
	Required bool
	Default  string
	Type     SettingType
}

// SettingType says how a setting's text is checked.
type SettingType string

// The setting types.
const (
	SettingText    SettingType = "text"
	SettingInteger SettingType = "integer"
	SettingURL     SettingType = "url" // https, or http on a loopback host
)

// EntitySupport says what can be done with an entity.
type EntitySupport struct {
	Entity      Entity
	Verbs       []Verb
	GetBatch    int // most ids in one Get; at least 1
	UpsertBatch int // most writes in one Upsert; at least 1
	PageSize    int // largest useful page of List
	// ListsWhole says that List brings whole records at no further cost: the
	// host then asks for them and saves the Get.
	ListsWhole bool
	Streams    []Stream
}

// Stream is a part of an entity that is listed on its own, such as the fees among
// the payments. List leaves its records out unless it is asked for the stream,
// and only a flow that names it hears of them; Get takes their ids like any other.
type Stream struct {
	Name string // lower case, digits, underscores
	Help string // one sentence
}

// Verb is one of the four generic verbs.
type Verb string

// The verbs.
const (
	VerbList      Verb = "list"
	VerbGet       Verb = "get"
	VerbUpsert    Verb = "upsert"
	VerbSubscribe Verb = "subscribe"
)

// Can reports whether the connector offers a verb for an entity.
func (m Manifest) Can(e Entity, v Verb) bool {
	s, ok := m.Support(e)
	return ok && slices.Contains(s.Verbs, v)
}

// Support returns what the connector says of an entity.
func (m Manifest) Support(e Entity) (EntitySupport, bool) {
	for _, s := range m.Entities {
		if s.Entity == e {
			return s, true
		}
	}
	return EntitySupport{}, false
}

// HasStream reports whether the connector knows a stream of an entity; the empty
// name is the records that are in none.
func (m Manifest) HasStream(e Entity, name string) bool {
	s, ok := m.Support(e)
	return ok && (name == "" || slices.ContainsFunc(s.Streams, func(st Stream) bool { return st.Name == name }))
}

// Setting returns the setting of that name.
func (m Manifest) Setting(name string) (Setting, bool) {
	for _, s := range m.Settings {
		if s.Name == name {
			return s, true
		}
	}
	return Setting{}, false
}

// OAuth describes an OAuth 2.0 Authorization Code flow that the host runs, with
// state and PKCE. Its fields are names of settings.
type OAuth struct {
	AuthorizeURLSetting string
	TokenURLSetting     string
	ClientIDSetting     string
	ClientSecretSetting string
	RedirectURLSetting  string
	ScopesSetting       string
	AccountSetting      string // which account, when a consent covers several
}
