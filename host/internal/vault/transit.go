package vault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// transit is a key in the transit engine of a HashiCorp Vault. Two calls of its
// HTTP API are needed, encrypt and decrypt, with the same parameters that Tink's
// Vault client sends: what one has wrapped the other unwraps.
// https://developer.hashicorp.com/vault/api-docs/secret/transit
type transit struct {
	base  url.URL // scheme and host
	mount string  // "transit"; may have several segments
	name  string  // of the key
}

const (
	transitScheme    = "hcvault"
	transitForm      = "hcvault://HOST:PORT/transit/keys/NAME"
	transitWithin    = 10 * time.Second // one call; Vault answers in milliseconds
	transitBytesMax  = 64 << 10         // of an answer, which is some hundred bytes
	transitSaidMax   = 200              // bytes of Vault's own words in an error
	transitCABytes   = 1 << 20          // a file of certificates
	envVaultToken    = "VAULT_TOKEN"
	envVaultCA       = "VAULT_CACERT"
	envVaultSpace    = "VAULT_NAMESPACE"
	transitTLSOption = "tls" // ?tls=off, for a Vault on this machine that speaks plain HTTP
)

// transitPart keeps a mount or key name from meaning another path.
var transitPart = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// parseTransit reads hcvault://HOST:PORT/MOUNT/keys/NAME. Errors do not repeat
// the text: it may be a secret that was put into the wrong place.
func parseTransit(uri string) (*transit, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return nil, fmt.Errorf("the key URI cannot be read: write %s", transitForm)
	}
	if u.Scheme != transitScheme {
		return nil, fmt.Errorf("key URIs with %q are not supported: the one that is is %s (HashiCorp Vault); or name a key file", u.Scheme+"://", transitForm)
	}
	if u.User != nil || u.Fragment != "" || u.Host == "" {
		return nil, fmt.Errorf("write the key URI as %s, without a user; the token goes into %s", transitForm, envVaultToken)
	}
	parts := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	if n := len(parts); n < 3 || parts[n-2] != "keys" {
		return nil, fmt.Errorf("the key URI names no key: write %s", transitForm)
	}
	for _, part := range parts {
		if !transitPart.MatchString(part) {
			return nil, fmt.Errorf("the key URI has a path of other characters than letters, digits, '_', '.' and '-': write %s", transitForm)
		}
	}
	t := &transit{
		base:  url.URL{Scheme: "https", Host: u.Host},
		mount: strings.Join(parts[:len(parts)-2], "/"), name: parts[len(parts)-1],
	}
	return t, t.readOptions(u)
}

// readOptions reads what follows the question mark. The token and the master key
// must not cross a network in the clear.
func (t *transit) readOptions(u *url.URL) error {
	switch u.RawQuery {
	case "":
		return nil
	case transitTLSOption + "=off":
	default:
		return fmt.Errorf("the key URI has an unknown option: there is only ?%s=off", transitTLSOption)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("?%s=off is for a Vault on this machine only, not for %s", transitTLSOption, u.Hostname())
	}
	t.base.Scheme = "http"
	return nil
}

// check implements keyService.
func (t *transit) check() error {
	if os.Getenv(envVaultToken) == "" {
		return fmt.Errorf("%s is not set: it carries the token for Vault at %s", envVaultToken, t.base.Host)
	}
	return nil
}

// wrap implements keyService.
func (t *transit) wrap(ctx context.Context, plain, label []byte) (string, error) {
	return t.call(ctx, "encrypt", "plaintext", base64.StdEncoding.EncodeToString(plain), label, "ciphertext")
}

// unwrap implements keyService.
func (t *transit) unwrap(ctx context.Context, wrapped string, label []byte) ([]byte, error) {
	text, err := t.call(ctx, "decrypt", "ciphertext", wrapped, label, "plaintext")
	if err != nil {
		return nil, err
	}
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("vault gave back something else than it wrapped")
	}
	return plain, nil
}

// call posts one value to the key and returns one of the answer's.
func (t *transit) call(ctx context.Context, verb, give, value string, label []byte, take string) (string, error) {
	client, err := transitClient()
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	body, err := json.Marshal(map[string]string{give: value, "associated_data": base64.StdEncoding.EncodeToString(label)})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, transitWithin)
	defer cancel()
	address := t.base.JoinPath("v1", t.mount, verb, t.name).String()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("ask vault at %s: %w", t.base.Host, err)
	}
	token := os.Getenv(envVaultToken)
	req.Header.Set("X-Vault-Token", token)
	req.Header.Set("X-Vault-Request", "true") // Vault Agent may insist on it
	if space := os.Getenv(envVaultSpace); space != "" {
		req.Header.Set("X-Vault-Namespace", space)
	}
	res, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("vault at %s does not answer; start it, or correct the key URI (for a certificate of your own: %s=FILE): %w", t.base.Host, envVaultCA, err)
	}
	defer res.Body.Close()
	var answer struct {
		Data   map[string]any `json:"data"`
		Errors []string       `json:"errors"`
	}
	answerBytes, err := io.ReadAll(io.LimitReader(res.Body, transitBytesMax))
	if err != nil {
		return "", fmt.Errorf("read the answer of vault at %s: %w", t.base.Host, err)
	}
	readable := json.Unmarshal(answerBytes, &answer) == nil
	if res.StatusCode != http.StatusOK {
		return "", t.refused(verb, res.StatusCode, strings.Join(answer.Errors, "; "), token, value)
	}
	text, _ := answer.Data[take].(string)
	if !readable || text == "" {
		return "", fmt.Errorf("what answers at %s is not vault's transit engine", t.base.Host)
	}
	return text, nil
}

// refused puts a refusal into words. Vault's own are cut short, and withheld
// should they repeat what must not be shown.
func (t *transit) refused(verb string, status int, said string, secrets ...string) error {
	for _, s := range secrets {
		if s != "" && strings.Contains(said, s) {
			said = ""
		}
	}
	if said = strings.Join(strings.Fields(said), " "); len(said) > transitSaidMax {
		said = strings.ToValidUTF8(said[:transitSaidMax], "") + "…"
	}
	path := t.mount + "/" + verb + "/" + t.name
	remedy := "see vault's log"
	switch {
	case status == http.StatusForbidden:
		remedy = fmt.Sprintf("renew %s, and give it a policy with update on %s/encrypt/%s and %s/decrypt/%s", envVaultToken, t.mount, t.name, t.mount, t.name)
	case status == http.StatusNotFound:
		remedy = fmt.Sprintf("there is no transit engine at %q: correct the key URI, or vault secrets enable transit", t.mount)
	case status == http.StatusBadRequest && verb == "encrypt":
		remedy = fmt.Sprintf("make the key: vault write -f %s/keys/%s type=aes256-gcm96", t.mount, t.name)
	case status == http.StatusBadRequest:
		remedy = fmt.Sprintf("use the key that wrapped it, and the %s that belongs to this database", wrappedFile)
	case status == http.StatusServiceUnavailable:
		remedy = "unseal vault"
	case status >= 300 && status < 400:
		remedy = "it points elsewhere, which is not followed: name the active node in the key URI"
	}
	if said != "" {
		said = ": " + said
	}
	return fmt.Errorf("vault at %s refuses %s with status %d%s (%s)", t.base.Host, path, status, said, remedy)
}

// transitClient trusts this machine's certificates, or those of VAULT_CACERT, and
// follows no redirect: the token is for one host.
func transitClient() (*http.Client, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := os.Getenv(envVaultCA); file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", envVaultCA, err)
		}
		defer f.Close()
		pem, err := io.ReadAll(io.LimitReader(f, transitCABytes))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", envVaultCA, err)
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: %s holds no certificate in PEM form", envVaultCA, file)
		}
	}
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
