package stripe

import (
	"fmt"
	"net/http"
)

// The types of an error body: https://docs.stripe.com/api/errors
const (
	typeInvalidRequest = "invalid_request_error"
	typeIdempotency    = "idempotency_error"
	typeCard           = "card_error"
	typeAPI            = "api_error"
)

// apiError is a refusal as the API words it.
type apiError struct {
	status  int
	typ     string
	code    string // may be empty
	message string
	param   string // may be empty
	decline string // decline_code, card errors only
	header  http.Header
	extra   obj // more fields of the error, such as payment_intent
}

func (e *apiError) Error() string {
	return fmt.Sprintf("stripe sandbox: %d %s: %s", e.status, e.code, e.message)
}

func (e *apiError) body() obj {
	in := obj{"type": e.typ, "message": e.message}
	for k, v := range map[string]string{"code": e.code, "param": e.param, "decline_code": e.decline} {
		if v != "" {
			in[k] = v
		}
	}
	if e.code != "" {
		in["doc_url"] = "https://stripe.com/docs/error-codes/" + hyphens(e.code)
	}
	for k, v := range e.extra {
		in[k] = plain(v)
	}
	return obj{"error": in}
}

func hyphens(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == '_' {
			b[i] = '-'
		}
	}
	return string(b)
}

// refuse is a 400: the request cannot be carried out as it is.
func refuse(code, param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, typ: typeInvalidRequest, code: code, param: param,
		message: fmt.Sprintf(format, args...)}
}

// notModelled is a 400 for what the real service can do and this one cannot.
func notModelled(param, what string) *apiError {
	return refuse("sandbox_not_modelled", param, "The sandbox does not model %s.", what)
}

// missingObject is the refusal of an id that does not exist: 404 in the path,
// 400 in a parameter.
func missingObject(status int, noun, param, id string) *apiError {
	return &apiError{status: status, typ: typeInvalidRequest, code: "resource_missing", param: param,
		message: fmt.Sprintf("No such %s: '%s'", noun, id)}
}

func missingParam(name string) *apiError {
	return refuse("parameter_missing", name, "Missing required param: %s.", name)
}
