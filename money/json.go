package money

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// amountJSON is the form of an Amount in JSON; the sum is a string because many
// readers take a JSON number for a binary fraction.
type amountJSON struct {
	Amount   *string `json:"amount"`
	Currency *string `json:"currency"`
}

// MarshalJSON writes {"amount":"10.50","currency":"NZD"}, or null when unset.
func (a Amount) MarshalJSON() ([]byte, error) {
	if !a.IsSet() {
		return []byte("null"), nil
	}
	sum, currency := a.Decimal(), string(a.currency)
	return json.Marshal(amountJSON{Amount: &sum, Currency: &currency})
}

// UnmarshalJSON reads what MarshalJSON writes. Both fields are needed and no
// others are allowed; a sum that is a JSON number is refused.
func (a *Amount) UnmarshalJSON(data []byte) error {
	if isNull(data) {
		*a = Amount{}
		return nil
	}
	var in amountJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return fmt.Errorf(`amount must be {"amount":"10.50","currency":"NZD"}: %w`, err)
	}
	if in.Amount == nil || in.Currency == nil {
		return fmt.Errorf("amount needs both amount and currency: %w", ErrSyntax)
	}
	c, err := ParseCurrency(*in.Currency)
	if err != nil {
		return err
	}
	parsed, err := Parse(*in.Amount, c)
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// MarshalJSON writes the number as a string: "1.5".
func (d Decimal) MarshalJSON() ([]byte, error) {
	return json.Marshal(d.String())
}

// UnmarshalJSON reads a string, or the digits of a JSON number just as they are
// written: both are exact. Null is 0.
func (d *Decimal) UnmarshalJSON(data []byte) error {
	if isNull(data) {
		*d = Decimal{}
		return nil
	}
	text := string(data)
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return fmt.Errorf("decimal: %w", err)
		}
	}
	parsed, err := ParseDecimal(text)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

func isNull(data []byte) bool { return string(data) == "null" }
