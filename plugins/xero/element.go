package main

import (
	"context"
	"encoding/json"
	"errors"
)

// Several records travel in one request, each with its own fate in the answer
// (summarizeErrors=false). That an answer's elements stand in the request's
// order is customary but not documented: they are recognised by what they say.

// writeElements sends a write and returns the answer's elements, also those of
// a refusal of the whole request that names its elements.
func writeElements[T any](ctx context.Context, a *api, r request, list func(*envelope) []T) ([]T, error) {
	var env envelope
	_, err := a.call(ctx, r, &env)
	var refused *validationError
	if errors.As(err, &refused) {
		out := make([]T, len(refused.elements))
		for i, raw := range refused.elements {
			if json.Unmarshal(raw, &out[i]) != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out := list(&env)
	if out == nil {
		return nil, unpromised(r, "the answer lacks what was written")
	}
	return out, nil
}

// pick finds the answer to element i of n: the one in its place when it agrees,
// else the only one that does.
func pick[T any](elements []T, i, n int, agrees func(T) bool) (T, bool) {
	var zero T
	if len(elements) == n && agrees(elements[i]) {
		return elements[i], true
	}
	found := -1
	for k, el := range elements {
		if agrees(el) {
			if found >= 0 {
				return zero, false
			}
			found = k
		}
	}
	if found < 0 {
		return zero, false
	}
	return elements[found], true
}
