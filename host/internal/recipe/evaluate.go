package recipe

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/ml-connector/ml-connector/connector"
)

// Input is everything that a decision depends on.
type Input struct {
	Record   connector.Record // of the flow's source; for AlsoRecords, of the other entity
	Params   Params
	Needs    map[string]string // ids by the name of the need; a missing one is left out or empty
	Linked   bool              // the record has a target
	TargetID string            // its id; empty when not linked
	From, To Side
}

// Decision is what is to become of a record. Exactly one field is set.
type Decision struct {
	Skip *Skip
	Hold *Hold
	Wait *Wait
	Want *Want
}

// Skip means that the record does not take part.
type Skip struct{ Reason string }

// Hold means that a person decides.
type Hold struct{ Reason, Remedy string }

// Wait means that other records must be in the target first: their flows run
// before this one is asked again.
type Wait struct{ Needs []Need }

// Want is the record that the target should hold. Its ID is the target's, when
// it is linked; fields that are not set are left alone.
type Want struct {
	Record connector.Record
	Policy connector.Policy
}

// Enabled reports whether changes start the flow.
func (f *Flow) Enabled(p Params) (bool, error) {
	if f.enabled == nil {
		return true, nil
	}
	if err := f.bound(p); err != nil {
		return false, err
	}
	on, err := f.enabled.holds(map[string]any{"params": p.object()})
	if err != nil {
		return false, f.wrong(err)
	}
	return on, nil
}

// Needs returns the records that must be in the target first, for the host to
// look up. A need whose id is empty is left out.
func (f *Flow) Needs(in Input) ([]Need, error) {
	if len(f.needs) == 0 {
		return nil, nil
	}
	vars, err := f.activation(in)
	if err != nil {
		return nil, err
	}
	var out []Need
	for _, rule := range f.needs {
		need := rule.Need
		if need.ID, err = rule.id.text(vars); err != nil {
			return nil, f.wrong(err)
		}
		if need.ID != "" {
			out = append(out, need)
		}
	}
	return out, nil
}

// Expand returns ids of further records of the source entity that the record
// brings along.
func (f *Flow) Expand(in Input) ([]string, error) {
	if f.expand == nil {
		return nil, nil
	}
	vars, err := f.activation(in)
	if err != nil {
		return nil, err
	}
	ids, err := f.expand.ids(vars)
	if err != nil {
		return nil, f.wrong(err)
	}
	return ids, nil
}

// AlsoRecords returns the ids of the flow's records that a record of another
// entity, of the source's end or the target's, concerns. An entity that the flow
// does not name concerns none.
func (f *Flow) AlsoRecords(in Input, target bool) ([]string, error) {
	var out []string
	for _, rule := range f.also {
		if rule.entity != in.Record.Entity || rule.target != target {
			continue
		}
		if err := f.bound(in.Params); err != nil {
			return nil, err
		}
		ids, err := rule.records.ids(map[string]any{
			string(rule.entity): &object{of: tableOf(rule.entity).record, ptr: &in.Record},
			"params":            in.Params.object(),
			"from":              &object{of: sideStruct, ptr: &in.From},
			"to":                &object{of: sideStruct, ptr: &in.To},
		})
		if err != nil {
			return nil, f.wrong(err)
		}
		out = append(out, ids...)
	}
	return out, nil
}

// Evaluate decides about a record: the first skip rule that holds, then the
// first hold rule, then needs that are missing, then the wanted record.
func (f *Flow) Evaluate(in Input) (Decision, error) {
	vars, err := f.activation(in)
	if err != nil {
		return Decision{}, err
	}
	for _, rule := range f.skip {
		reason, _, err := rule.apply(vars)
		if err != nil {
			return Decision{}, f.wrong(err)
		}
		if reason != "" {
			return Decision{Skip: &Skip{Reason: reason}}, nil
		}
	}
	for _, rule := range f.hold {
		reason, remedy, err := rule.apply(vars)
		if err != nil {
			return Decision{}, f.wrong(err)
		}
		if reason != "" {
			return Decision{Hold: &Hold{Reason: reason, Remedy: remedy}}, nil
		}
	}
	missing, err := f.missing(in, vars)
	if err != nil {
		return Decision{}, f.wrong(err)
	}
	if len(missing) > 0 {
		return Decision{Wait: &Wait{Needs: missing}}, nil
	}
	want, err := f.want(in, vars)
	if err != nil {
		return Decision{}, f.wrong(err)
	}
	return Decision{Want: want}, nil
}

// apply returns the reason and the remedy when the rule holds; "" when not.
func (r rule) apply(vars any) (reason, remedy string, err error) {
	holds, err := r.when.holds(vars)
	if err != nil || !holds {
		return "", "", err
	}
	if reason, err = r.because.text(vars); err != nil {
		return "", "", err
	}
	if reason == "" {
		return "", "", fmt.Errorf("%s: the reason is empty", r.because.path)
	}
	if r.remedy != nil {
		remedy, err = r.remedy.text(vars)
	}
	return reason, remedy, err
}

// missing returns the required needs that are not there.
func (f *Flow) missing(in Input, vars any) ([]Need, error) {
	var out []Need
	for _, rule := range f.needs {
		need := rule.Need
		if need.Optional || in.Needs[need.Name] != "" {
			continue
		}
		var err error
		if need.ID, err = rule.id.text(vars); err != nil {
			return nil, err
		}
		if need.ID == "" {
			return nil, fmt.Errorf("%s: the record names none, and it is required", rule.id.path)
		}
		out = append(out, need)
	}
	return out, nil
}

// want builds the wanted record.
func (f *Flow) want(in Input, vars any) (*Want, error) {
	table := tableOf(f.To.Entity)
	body := table.body.construct()
	if err := fill(body, f.fields, vars); err != nil {
		return nil, err
	}
	out := &Want{Record: connector.Record{Entity: f.To.Entity, ID: in.TargetID}}
	table.attach(&out.Record, body)
	if err := fill(&out.Policy, f.policy, vars); err != nil {
		return nil, err
	}
	return out, nil
}

// fill computes values and puts them into their fields.
func fill(ptr any, mappings []mapping, vars any) error {
	for _, m := range mappings {
		v, err := m.value.eval(vars)
		if err != nil {
			return err
		}
		if err := m.field.set(ptr, v); err != nil {
			return fmt.Errorf("%s: %w", m.value.path, err)
		}
	}
	return nil
}

// activation gives the flow's expressions their variables.
func (f *Flow) activation(in Input) (cel.Activation, error) {
	if in.Record.Entity != f.From.Entity {
		return nil, f.wrong(fmt.Errorf("a record of %s cannot start a flow from %s", in.Record.Entity, f.From))
	}
	if err := f.bound(in.Params); err != nil {
		return nil, err
	}
	vars, err := cel.NewActivation(map[string]any{
		string(f.From.Entity): &object{of: tableOf(f.From.Entity).record, ptr: &in.Record},
		"params":              in.Params.object(),
		"needs":               &object{of: f.needsType, ptr: &in.Needs},
		"linked":              types.Bool(in.Linked),
		"target_id":           types.String(in.TargetID),
		"from":                &object{of: sideStruct, ptr: &in.From},
		"to":                  &object{of: sideStruct, ptr: &in.To},
	})
	if err != nil {
		return nil, f.wrong(err)
	}
	return vars, nil
}

// bound makes sure that the parameters are this recipe's.
func (f *Flow) bound(p Params) error {
	if p.of != f.recipe.params {
		return f.wrong(errors.New("the parameters are not bound to this recipe"))
	}
	return nil
}

// wrong makes an error that names recipe and flow; err names the field. A
// record that cannot be mapped will not be better the next time.
func (f *Flow) wrong(err error) error {
	op := "recipe " + f.recipe.Name + ": flow " + f.Name
	return connector.Errorf(connector.Invalid, op, "%w", err).
		WithRemedy("correct the record, or the recipe %s", f.recipe.file)
}
