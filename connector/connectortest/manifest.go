package connectortest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

var (
	nameForm    = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	settingForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// batchMax is beyond every service's batch and page; more is a slip.
const batchMax = 10_000

func (s *suite) manifestChecks() {
	m := s.manifest
	s.check("manifest/names", func(context.Context) error { return names(m) })
	s.check("manifest/settings", func(context.Context) error { return settings(m) })
	s.check("manifest/entities", func(context.Context) error { return entities(m) })
	s.check("manifest/streams", func(context.Context) error { return streams(m) })
	s.check("manifest/webhooks", func(context.Context) error { return webhookPowers(m) })
	s.check("manifest/oauth", func(context.Context) error { return oauth(m) })
	s.check("manifest/fixed", func(ctx context.Context) error {
		again, err := s.c.Describe(ctx)
		if err == nil && !reflect.DeepEqual(again, m) {
			err = errors.New("a second Describe tells something else")
		}
		return err
	})
}

func names(m connector.Manifest) error {
	var errs []error
	if !nameForm.MatchString(m.Name) {
		errs = append(errs, fmt.Errorf("name %q: use lower-case letters, digits and single hyphens", m.Name))
	}
	for field, v := range map[string]string{"title": m.Title, "version": m.Version, "summary": m.Summary} {
		if strings.TrimSpace(v) == "" || strings.ContainsAny(v, "\r\n") {
			errs = append(errs, fmt.Errorf("%s %q must be one line that is not empty", field, v))
		}
	}
	return errors.Join(errs...)
}

func settings(m connector.Manifest) error {
	var errs []error
	seen := map[string]bool{}
	for _, v := range m.Settings {
		wrong := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("setting %q: %s", v.Name, fmt.Sprintf(format, args...)))
		}
		if !settingForm.MatchString(v.Name) {
			wrong("use lower-case letters, digits and underscores")
		}
		if seen[v.Name] {
			wrong("it is there twice")
		}
		seen[v.Name] = true
		if v.Help == "" {
			wrong("it has no help")
		}
		if v.Secret && v.Default != "" {
			wrong("a secret has no default")
		}
		if v.Required && v.Default != "" {
			wrong("a required setting has no default")
		}
		if err := typed(v); err != nil {
			wrong("%v", err)
		}
	}
	return errors.Join(errs...)
}

// typed checks the type, and the default by it.
func typed(v connector.Setting) error {
	switch v.Type {
	case connector.SettingText:
	case connector.SettingInteger:
		if _, err := strconv.ParseInt(v.Default, 10, 64); err != nil && v.Default != "" {
			return fmt.Errorf("default %q is not an integer", v.Default)
		}
	case connector.SettingURL:
		if v.Default != "" && !goodURL(v.Default) {
			return fmt.Errorf("default %q is neither https nor on a loopback host", v.Default)
		}
	default:
		return fmt.Errorf("type %q is not known", v.Type)
	}
	return nil
}

func goodURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && local
}

func entities(m connector.Manifest) error {
	var errs []error
	seen := map[connector.Entity]bool{}
	for _, e := range m.Entities {
		if !slices.Contains(connector.Entities(), e.Entity) || seen[e.Entity] {
			errs = append(errs, fmt.Errorf("entity %q is not known or there twice", e.Entity))
		}
		seen[e.Entity] = true
		verbs := slices.Clone(e.Verbs)
		slices.Sort(verbs)
		if len(verbs) == 0 || len(slices.Compact(verbs)) != len(e.Verbs) || slices.Contains(verbs, "") {
			errs = append(errs, fmt.Errorf("verbs of %s are %q: name each that is offered once", e.Entity, e.Verbs))
		}
		// The host reads afresh before it decides and after it wrote.
		if !m.Can(e.Entity, connector.VerbGet) {
			errs = append(errs, fmt.Errorf("%s cannot be read: get is needed for everything else", e.Entity))
		}
		for what, n := range map[string]int{"get batch": e.GetBatch, "upsert batch": e.UpsertBatch, "page size": e.PageSize} {
			if n < 1 || n > batchMax {
				errs = append(errs, fmt.Errorf("%s of %s is %d, not within 1 and %d", what, e.Entity, n, batchMax))
			}
		}
	}
	return errors.Join(errs...)
}

func webhookPowers(m connector.Manifest) error {
	subscribes := slices.ContainsFunc(m.Entities, func(e connector.EntitySupport) bool {
		return slices.Contains(e.Verbs, connector.VerbSubscribe)
	})
	switch {
	case subscribes && !m.ReceivesWebhooks:
		return errors.New("an entity offers subscribe, but the connector verifies no webhooks")
	case !subscribes && m.ReceivesWebhooks:
		return errors.New("the connector verifies webhooks, but no entity offers subscribe")
	case m.RegistersWebhooks && !m.ReceivesWebhooks:
		return errors.New("the connector registers webhooks that it cannot verify")
	}
	return nil
}

func oauth(m connector.Manifest) error {
	o := m.OAuth
	if o == nil {
		return skip("the connector needs no OAuth")
	}
	var errs []error
	need := func(name string, fits func(connector.Setting) bool, what string) {
		if v, ok := m.Setting(name); !ok || !fits(v) {
			errs = append(errs, fmt.Errorf("%q must name a setting that is %s", name, what))
		}
	}
	isURL := func(v connector.Setting) bool { return v.Type == connector.SettingURL && !v.Secret }
	isPlain := func(v connector.Setting) bool { return v.Type == connector.SettingText && !v.Secret }
	need(o.AuthorizeURLSetting, isURL, "a URL")
	need(o.TokenURLSetting, isURL, "a URL")
	need(o.RedirectURLSetting, isURL, "a URL")
	need(o.ClientIDSetting, isPlain, "text")
	need(o.ClientSecretSetting, func(v connector.Setting) bool { return v.Secret }, "a secret")
	if o.ScopesSetting != "" {
		need(o.ScopesSetting, isPlain, "text")
	}
	if o.AccountSetting != "" {
		need(o.AccountSetting, isPlain, "text")
	}
	return errors.Join(errs...)
}
