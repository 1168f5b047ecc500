package recipe

import "testing"

const shippedFile = "../../../recipes/xero-stripe.yaml"

// shipped returns the recipe that the product comes with.
func shipped(t testing.TB) *Recipe {
	t.Helper()
	r, err := Load(shippedFile)
	if err != nil {
		t.Fatalf("load shipped recipe:\n%v", err)
	}
	return r
}

func TestShippedRecipe(t *testing.T) {
	results := shipped(t).Test()
	if len(results) < 15 {
		t.Errorf("got %d test cases, want at least 15", len(results))
	}
	for _, c := range results {
		t.Run(c.Name, func(t *testing.T) {
			if c.Err != nil {
				t.Error(c.Err)
			}
		})
	}
}
