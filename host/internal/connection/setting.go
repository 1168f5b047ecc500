package connection

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// valueBytesMax bounds one setting or secret; the longest real one is a list of
// scopes or a token of a few KiB.
const valueBytesMax = 16 << 10

// checkSettings compares what was given with what the connector knows.
func checkSettings(m connector.Manifest, settings map[string]string, secrets map[string]connector.Secret) error {
	var errs []error
	known := make([]string, 0, len(m.Settings))
	for _, d := range m.Settings {
		known = append(known, d.Name)
		_, plain := settings[d.Name]
		_, secret := secrets[d.Name]
		switch {
		case d.Secret && plain:
			errs = append(errs, fmt.Errorf("%s is a secret: give it with --secret %s=@FILE, env:VAR or -", d.Name, d.Name))
		case !d.Secret && secret:
			errs = append(errs, fmt.Errorf("%s is not a secret: give it with --set %s=VALUE", d.Name, d.Name))
		case d.Required && !secret && strings.TrimSpace(settings[d.Name]) == "":
			errs = append(errs, fmt.Errorf("%s is required: %s", d.Name, d.Help))
		case plain:
			errs = append(errs, checkValue(d, settings[d.Name]))
		}
	}
	for _, name := range append(slices.Sorted(maps.Keys(settings)), slices.Sorted(maps.Keys(secrets))...) {
		if !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("%s has no setting %q (it has: %s)", m.Name, name, strings.Join(known, ", ")))
		}
		if len(settings[name]) > valueBytesMax || len(secrets[name]) > valueBytesMax {
			errs = append(errs, fmt.Errorf("%s is longer than %d bytes", name, valueBytesMax))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if strings.TrimSpace(secrets[name].Reveal()) == "" {
			errs = append(errs, fmt.Errorf("secret %s is empty", name))
		}
	}
	return errors.Join(errs...)
}

func checkValue(d connector.Setting, v string) error {
	switch d.Type {
	case connector.SettingInteger:
		if n, err := strconv.Atoi(v); err != nil || n < 1 {
			return fmt.Errorf("%s must be a whole number of at least 1, not %q", d.Name, v)
		}
	case connector.SettingURL:
		if err := checkURL(v); err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
	}
	return nil
}

// checkURL accepts https anywhere and http on a loopback host only: a
// credential must not cross a network in the clear.
func checkURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Hostname() == "" {
		return errors.New("this is not a URL with a host") // not quoted: it may hold a password
	}
	if u.User != nil {
		return errors.New("a URL must not carry a user or password")
	}
	if u.Scheme == "https" || (u.Scheme == "http" && loopback(u.Hostname())) {
		return nil
	}
	return fmt.Errorf("%q is not https; plain http is accepted only for a loopback host", v)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// withDefaults returns the settings that a connector sees.
func withDefaults(m connector.Manifest, given map[string]string) map[string]string {
	out := make(map[string]string, len(m.Settings))
	for _, d := range m.Settings {
		if !d.Secret && d.Default != "" {
			out[d.Name] = d.Default
		}
	}
	maps.Copy(out, given)
	return out
}
