package stripe_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

// A server in a test: somebody else's charge, read over the API.
func ExampleNew() {
	srv, err := stripe.New(stripe.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	ts := httptest.NewServer(srv.Handler())
	defer ts.Close()
	srv.SetBaseURL(ts.URL)

	if _, err := srv.Charge(stripe.OtherCharge{Amount: 1050}); err != nil {
		fmt.Println(err)
		return
	}
	req, err := http.NewRequest(http.MethodGet, ts.URL+"/v1/charges", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.SetBasicAuth(stripe.DefaultAPIKey, "")
	res, err := ts.Client().Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.StatusCode, srv.State().Charges["nzd"])
	// Output: 200 1050
}
