package connection

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/ml-connector/ml-connector/connector"
)

// Consent is one OAuth 2.0 Authorization Code flow under way. It lives in
// memory: a flow that was not finished is begun anew.
type Consent struct {
	Connection  string
	URL         string // for a person's browser
	RedirectURL string // where the browser comes back

	cfg      *oauth2.Config
	state    string
	verifier string
}

// BeginConsent starts the flow for a connection, with state and PKCE.
func (s *Store) BeginConsent(ctx context.Context, name string) (*Consent, error) {
	sess, m, err := s.keys(ctx, name)
	if err != nil {
		return nil, err
	}
	if m.OAuth == nil {
		return nil, fmt.Errorf("connection %s needs no authorisation: %s works with the secrets that were stored", name, m.Title)
	}
	cfg := oauthConfig(m, sess)
	out := &Consent{
		Connection: name, RedirectURL: cfg.RedirectURL,
		cfg: cfg, state: rand.Text(), verifier: oauth2.GenerateVerifier(),
	}
	out.URL = cfg.AuthCodeURL(out.state, oauth2.S256ChallengeOption(out.verifier))
	return out, nil
}

// FinishConsent takes what came back to the redirect URL and stores the tokens.
func (s *Store) FinishConsent(ctx context.Context, c *Consent, query url.Values) error {
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(c.state)) != 1 {
		return errors.New("the answer does not belong to this request (state differs); start again")
	}
	if e := query.Get("error"); e != "" {
		return fmt.Errorf("the service refused: %s %s", e, query.Get("error_description"))
	}
	code := query.Get("code")
	if code == "" {
		return errors.New("the answer carries no code; start again")
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.cfg.Client)
	tok, err := c.cfg.Exchange(ctx, code, oauth2.VerifierOption(c.verifier))
	if err != nil {
		var re *oauth2.RetrieveError
		if errors.As(err, &re) {
			return fmt.Errorf("exchange the code: the service answered %q; check client_id, client_secret and redirect_url", re.ErrorCode)
		}
		return errors.New("exchange the code: no answer from the token endpoint")
	}
	return s.StoreToken(ctx, c.Connection, tok)
}

func oauthConfig(m connector.Manifest, sess *connector.Session) *oauth2.Config {
	o := m.OAuth
	return &oauth2.Config{
		ClientID:     sess.Settings[o.ClientIDSetting],
		ClientSecret: sess.Secrets[o.ClientSecretSetting].Reveal(),
		RedirectURL:  sess.Settings[o.RedirectURLSetting],
		Scopes:       strings.Fields(sess.Settings[o.ScopesSetting]),
		Endpoint: oauth2.Endpoint{
			AuthURL:   sess.Settings[o.AuthorizeURLSetting],
			TokenURL:  sess.Settings[o.TokenURLSetting],
			AuthStyle: oauth2.AuthStyleInHeader,
		},
	}
}

// State is the value that comes back to the redirect URL with this consent's
// answer.
func (c *Consent) State() string { return c.state }
