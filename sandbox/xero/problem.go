package xero

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// The two ways in which a request is refused: a problem refuses all of it,
// invalid refuses one element.

// reply is a finished answer.
type reply struct {
	status int
	ctype  string
	body   []byte
}

func jsonReply(status int, v any) reply {
	b, err := json.Marshal(v)
	if err != nil {
		return reply{status: http.StatusInternalServerError, ctype: jsonType, body: []byte(`{"Title":"An error occurred","Status":500}`)}
	}
	return reply{status: status, ctype: jsonType, body: b}
}

const (
	jsonType = "application/json; charset=utf-8"
	htmlType = "text/html; charset=utf-8"
)

// problem refuses a whole request.
type problem struct {
	reply
	text string
}

func (p *problem) Error() string { return p.text }

// titled is the shape of 401, 403 and of Xero's own failures.
func titled(status int, title, detail string) *problem {
	rep := jsonReply(status, object{"Type": nil, "Title": title, "Status": status, "Detail": detail,
		"Instance": newID(), "Extensions": object{}})
	return &problem{reply: rep, text: detail}
}

// numbered is the shape of 400.
func numbered(number int, kind, message string) *problem {
	rep := jsonReply(http.StatusBadRequest, object{"ErrorNumber": number, "Type": kind, "Message": message})
	return &problem{reply: rep, text: message}
}

// notModelled refuses what the stand-in knows nothing about.
func notModelled(format string, args ...any) *problem {
	detail := "the sandbox does not model " + fmt.Sprintf(format, args...)
	return titled(http.StatusNotImplemented, "Not modelled", detail)
}

// notModelledf is notModelled for a cause.
func notModelledf(format string, args ...any) *problem {
	return notModelled("%s", fmt.Errorf(format, args...).Error())
}

func badData(format string, args ...any) *problem {
	return numbered(14, "PostDataInvalidException", fmt.Sprintf(format, args...))
}

func noData() *problem {
	return numbered(17, "NoDataProcessedException", "No data has been processed for this endpoint. This endpoint is expecting data to be specified in the JSON body.")
}

func badQuery(format string, args ...any) *problem {
	return numbered(16, "QueryParseException", fmt.Sprintf(format, args...))
}

// notFound is Xero's 404: HTML by its header, and empty.
func notFound() *problem {
	return &problem{reply: reply{status: http.StatusNotFound, ctype: htmlType}, text: "not found"}
}

// invalid refuses one element with the messages of its ValidationErrors.
type invalid []string

func (v invalid) Error() string { return strings.Join(v, "; ") }

// refuse is invalid with one message.
func refuse(format string, args ...any) error {
	return invalid{fmt.Sprintf(format, args...)}
}

func messages(list []string) []object {
	out := []object{}
	for _, m := range list {
		out = append(out, object{"Message": m})
	}
	return out
}

func validationException(elements []object) reply {
	return jsonReply(http.StatusBadRequest, object{"ErrorNumber": 10, "Type": "ValidationException",
		"Message": "A validation exception occurred", "Elements": elements})
}
