package recipe

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/ml-connector/ml-connector/connector"
)

// Digest returns a fingerprint of a wish: the hex SHA-256 of the canonical JSON
// of what the target should hold, and of the policy. The same wish has the same
// digest, in every build that has the same field tables; fields that are not
// set or only told along, the order of maps and the record's id, version and time
// do not matter.
func Digest(rec connector.Record, pol connector.Policy) (string, error) {
	table := tableOf(rec.Entity)
	if table == nil {
		return "", fmt.Errorf("digest: unknown entity %q", rec.Entity)
	}
	body, err := table.body.canonical(table.bodyOf(&rec))
	if err != nil {
		return "", fmt.Errorf("digest %s: %w", rec.Ref(), err)
	}
	if len(body) == 0 {
		return "", fmt.Errorf("digest %s: %w", rec.Ref(), errors.New("nothing is wanted"))
	}
	choices, err := policyStruct.canonical(&pol)
	if err != nil {
		return "", fmt.Errorf("digest %s: %w", rec.Ref(), err)
	}
	// encoding/json sorts the keys of maps.
	text, err := json.Marshal(map[string]any{"entity": rec.Entity, "body": body, "policy": choices})
	if err != nil {
		return "", fmt.Errorf("digest %s: %w", rec.Ref(), err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// canonical returns the fields that are set, in a form that marshals to the
// same JSON whenever they are equal.
func (t *structType) canonical(ptr any) (map[string]any, error) {
	out := map[string]any{}
	for _, f := range t.fields {
		if f.aside || !f.isSet(ptr) {
			continue
		}
		v, err := f.get(ptr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		if out[f.name], err = canonicalValue(v); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return out, nil
}

func canonicalValue(v ref.Val) (any, error) {
	switch x := v.(type) {
	case types.String:
		return string(x), nil
	case types.Bool:
		return bool(x), nil
	case types.Int:
		return int64(x), nil
	case types.Timestamp:
		return x.UTC().Format(time.RFC3339Nano), nil
	case amountValue:
		if !x.amount.IsSet() {
			return nil, nil
		}
		return x.amount.String(), nil
	case decimalValue:
		return x.number.String(), nil
	case dateValue:
		return x.date.String(), nil
	case *object:
		return x.of.canonical(x.ptr)
	case traits.Mapper:
		out := map[string]any{}
		for it := x.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			name, err := unwrapText(k)
			if err != nil {
				return nil, err
			}
			if out[name], err = canonicalValue(x.Get(k)); err != nil {
				return nil, err
			}
		}
		return out, nil
	case traits.Lister:
		out := []any{}
		for it := x.Iterator(); it.HasNext() == types.True; {
			c, err := canonicalValue(it.Next())
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%s has no canonical form", v.Type().TypeName())
}
