package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

func TestEverySectionIsShown(t *testing.T) {
	r := newRig(t, Config{Local: true})
	_, empty := r.ask(http.MethodGet, "/", nil)
	for _, want := range []string{"Needs a person (0)", "Nothing. Everything that came in", "No work yet."} {
		if !strings.Contains(empty, want) {
			t.Errorf("empty page: no %q", want)
		}
	}
	r.fill()
	res, page := r.ask(http.MethodGet, "/", nil)
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		t.Errorf("got %s, %s", res.Status, res.Header.Get("Content-Type"))
	}
	for _, want := range []string{
		"Needs a person (1)", "two candidates", "decide", `action="/replay/41"`, "held, 3 min ago", "shop payment", "<code>ch_1</code>",
		"pair / receipts-in", "pair / contacts-out", "2 h ago", "never",
		"acct-1", "paused: books was refused", "see to shop",
		"books contact", "30 s ago", ">17<",
		"outcome created", "<code>books:contact/c_1</code>", "to <code>shop:contact/cus_1</code>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "onload='x") {
		t.Error("a hostile label is not escaped")
	}
	if n := strings.Count(page, "&lt;script&gt;"); n < 5 {
		t.Errorf("the hostile labels are shown %d times", n)
	}
	_, page = r.ask(http.MethodGet, "/?notice="+url.QueryEscape(hostile), nil)
	if strings.Contains(page, "<script") || !strings.Contains(page, `role="status"`) {
		t.Error("a hostile notice is not escaped")
	}
}

// A form's answer may lead to the service that a person authorises at, and
// nowhere else; what has no such flow has no button.
func TestAuthoriseButton(t *testing.T) {
	r := newRig(t, Config{Local: true})
	res, _ := r.ask(http.MethodGet, "/", nil)
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self';") {
		t.Errorf("nothing paused: policy %q", csp)
	}
	r.fill()
	res, page := r.ask(http.MethodGet, "/", nil)
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' "+r.srv.URL+";") {
		t.Errorf("policy %q does not let the form lead to %s", csp, r.srv.URL)
	}
	if !strings.Contains(page, `action="/connections/books/authorize"`) || strings.Contains(page, `action="/connections/shop/authorize"`) {
		t.Error("the buttons are not those of the connections that can be authorised")
	}
}

func TestStrangersAreKeptOut(t *testing.T) {
	password := func(user, pass string) func(*http.Request) {
		return func(req *http.Request) { req.SetBasicAuth(user, pass) }
	}
	header := func(kv ...string) func(*http.Request) {
		return func(req *http.Request) {
			for i := 0; i < len(kv); i += 2 {
				if kv[i] == "Host" {
					req.Host = kv[i+1]
				}
				req.Header.Set(kv[i], kv[i+1])
			}
		}
	}
	for _, tt := range []struct {
		name   string
		cfg    Config
		method string
		target string
		change func(*http.Request)
		want   int
	}{
		{"local", Config{Local: true}, "GET", "/", nil, 200},
		{"local by name", Config{Local: true}, "GET", "/", header("Host", "localhost:8480"), 200},
		{"local, IPv6", Config{Local: true}, "GET", "/", header("Host", "[::1]:8480"), 200},
		{"foreign host name", Config{Local: true}, "GET", "/", header("Host", "evil.example:8480"), 403},
		{"host name that begins like ours", Config{Local: true}, "GET", "/", header("Host", "localhost.evil.example"), 403},
		{"foreign host, callback", Config{Local: true}, "GET", "/oauth/callback?state=x", header("Host", "evil.example"), 403},
		{"open to others, no password", Config{}, "GET", "/", nil, 403},
		{"open to others, no password, replay", Config{}, "POST", "/replay/41", nil, 403},
		{"no password given", Config{Password: "pw"}, "GET", "/", nil, 401},
		{"wrong password", Config{Password: "pw"}, "GET", "/", password("x", "wrong"), 401},
		{"password as the user", Config{Password: "pw"}, "GET", "/", password("pw", ""), 401},
		{"right password", Config{Password: "pw"}, "GET", "/", password("anybody", "pw"), 200},
		{"password on a local listener", Config{Local: true, Password: "pw"}, "GET", "/", nil, 401},
		{"right password, foreign name", Config{Password: "pw"}, "GET", "/", func(req *http.Request) { req.Host = "connector.example.com"; req.SetBasicAuth("x", "pw") }, 200},
		{"our own form", Config{Local: true}, "POST", "/replay/41", header("Origin", "http://127.0.0.1:8480", "Sec-Fetch-Site", "same-origin"), 303},
		{"cross-origin form", Config{Local: true}, "POST", "/replay/41", header("Sec-Fetch-Site", "cross-site"), 403},
		{"cross-origin form, old browser", Config{Local: true}, "POST", "/replay/41", header("Origin", "http://evil.example"), 403},
		{"form without an origin", Config{Local: true}, "POST", "/replay/41", header("Origin", "null"), 403},
		{"cross-origin authorise", Config{Local: true}, "POST", "/connections/books/authorize", header("Origin", "http://127.0.0.1:9999"), 403},
		{"cross-origin with the password", Config{Password: "pw"}, "POST", "/replay/41", func(req *http.Request) {
			req.SetBasicAuth("x", "pw")
			req.Header.Set("Sec-Fetch-Site", "cross-site")
		}, 403},
		{"replay by GET", Config{Local: true}, "GET", "/replay/41", nil, 405},
		{"no such page", Config{Local: true}, "GET", "/secrets", nil, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.cfg)
			r.fill()
			res, body := r.ask(tt.method, tt.target, tt.change)
			if res.StatusCode != tt.want {
				t.Errorf("got %d, want %d: %s", res.StatusCode, tt.want, body)
			}
			if tt.want == http.StatusUnauthorized && res.Header.Get("WWW-Authenticate") == "" {
				t.Error("no password is asked for")
			}
			if tt.want >= 400 && (strings.Contains(body, "ch_1") || r.state() != "held") {
				t.Error("a stranger saw or changed something")
			}
		})
	}
}

func (r *rig) state() (s string) {
	r.t.Helper()
	if err := r.db.Read().QueryRowContext(r.t.Context(), `SELECT state FROM work WHERE id = 41`).Scan(&s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// notice is what the page will say after a redirect to it.
func notice(t *testing.T, res *http.Response) string {
	t.Helper()
	to, err := res.Location()
	if res.StatusCode != http.StatusSeeOther || err != nil || to.Path != "/" {
		t.Fatalf("got %s to %v, want back to the page", res.Status, to)
	}
	return to.Query().Get("notice")
}

func TestReplayButton(t *testing.T) {
	r := newRig(t, Config{Local: true})
	r.fill()
	res, _ := r.ask(http.MethodPost, "/replay/41", nil)
	if got := notice(t, res); got != "entry 41 runs again" || r.state() != "pending" {
		t.Errorf("got %q, work is %s", got, r.state())
	}
	var jobs int
	if err := r.db.Read().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM river_job`).Scan(&jobs); err != nil || jobs != 1 {
		t.Errorf("got %d jobs, %v; want 1", jobs, err)
	}
	res, _ = r.ask(http.MethodPost, "/replay/42", nil)
	if got := notice(t, res); !strings.Contains(got, "only what needs a person") {
		t.Errorf("work that is done: got %q", got)
	}
	for _, id := range []string{"4711", "x", "-1", "99999999999999999999"} {
		if res, _ := r.ask(http.MethodPost, "/replay/"+id, nil); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %s, want not found", id, res.Status)
		}
	}
}

// begin presses Authorise and goes through the consent as a browser does.
func (r *rig) begin() url.Values {
	r.t.Helper()
	res, _ := r.ask(http.MethodPost, "/connections/books/authorize", nil)
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), r.srv.URL) {
		r.t.Fatalf("got %s to %s", res.Status, res.Header.Get("Location"))
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, res.Header.Get("Location"), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	client := *r.srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	back, err := answer.Location()
	if err != nil {
		r.t.Fatal(err)
	}
	return back.Query()
}

func TestAuthorise(t *testing.T) {
	r := newRig(t, Config{Local: true})
	r.fill()
	back := r.begin()
	for name, q := range map[string]url.Values{
		"no state": {"code": back["code"]}, "wrong state": {"code": back["code"], "state": {"x"}},
	} {
		if res, _ := r.ask(http.MethodGet, "/oauth/callback?"+q.Encode(), nil); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %s, want bad request", name, res.Status)
		}
	}
	if len(r.authorised) != 0 {
		t.Error("authorised by a stranger's answer")
	}
	res, _ := r.ask(http.MethodGet, "/oauth/callback?"+back.Encode(), nil)
	if got := notice(t, res); got != "connection books is authorised" || len(r.authorised) != 1 {
		t.Errorf("got %q, %v", got, r.authorised)
	}
	if s, err := r.conns.Session(t.Context(), "books", connector.PriorityRead); err != nil || s.AccessToken == "" {
		t.Errorf("no token is stored: %v", err)
	}
	if res, _ := r.ask(http.MethodGet, "/oauth/callback?"+back.Encode(), nil); res.StatusCode != http.StatusBadRequest {
		t.Errorf("the same answer again: got %s", res.Status)
	}

	back = r.begin()
	r.clock.Advance(consentLife + time.Second)
	if res, _ := r.ask(http.MethodGet, "/oauth/callback?"+back.Encode(), nil); res.StatusCode != http.StatusBadRequest {
		t.Errorf("too late: got %s", res.Status)
	}
	back = r.begin()
	res, _ = r.ask(http.MethodGet, "/oauth/callback?"+url.Values{"state": back["state"], "error": {"access_denied"}}.Encode(), nil)
	if got := notice(t, res); !strings.Contains(got, "access_denied") {
		t.Errorf("denied: got %q", got)
	}
	back, r.refuse = r.begin(), errors.New("it reaches another account now")
	res, _ = r.ask(http.MethodGet, "/oauth/callback?"+back.Encode(), nil)
	if got := notice(t, res); got != r.refuse.Error() {
		t.Errorf("check failed: got %q", got)
	}
	res, _ = r.ask(http.MethodPost, "/connections/shop/authorize", nil)
	if got := notice(t, res); !strings.Contains(got, "needs no authorisation") {
		t.Errorf("a connection without OAuth: got %q", got)
	}
	if res, _ = r.ask(http.MethodPost, "/connections/nobody/authorize", nil); notice(t, res) == "" {
		t.Error("an unknown connection says nothing")
	}
}

// I10: a page that is reloaded for ever does not fill the memory with consents.
func TestConsentsAreBounded(t *testing.T) {
	r := newRig(t, Config{Local: true})
	r.fill()
	for range consentsMax {
		r.begin()
	}
	res, _ := r.ask(http.MethodPost, "/connections/books/authorize", nil)
	if got := notice(t, res); !strings.Contains(got, "too many") {
		t.Errorf("got %q", got)
	}
	r.clock.Advance(consentLife + time.Second)
	r.begin()
	if len(r.page.consents) != 1 {
		t.Errorf("%d consents are kept", len(r.page.consents))
	}
}

// A page that cannot be made says so without its cause.
func TestBrokenDatabase(t *testing.T) {
	r := newRig(t, Config{Local: true})
	r.exec(`ALTER TABLE work RENAME TO work_away`)
	res, body := r.ask(http.MethodGet, "/", nil)
	if res.StatusCode != http.StatusInternalServerError || strings.Contains(body, "work") && strings.Contains(body, "table") {
		t.Errorf("got %s: %s", res.Status, body)
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Minute: "now", 0: "now", 59 * time.Second: "59 s", 61 * time.Second: "1 min", 47 * time.Hour: "47 h", 49 * time.Hour: "2 days",
	} {
		if got := ago(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
