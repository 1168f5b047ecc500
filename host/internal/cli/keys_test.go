package cli

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

// sealedToken returns how the token of the right connection is stored.
func (d *desk) sealedToken() string {
	d.t.Helper()
	database, err := db.Open(d.t.Context(), db.Config{Dir: d.data, Shared: true})
	d.must(err)
	var sealed []byte
	err = database.Read().QueryRow(`SELECT sealed FROM connection_secret WHERE connection = 'right' AND field = 'token'`).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		d.t.Fatal("the token is not stored")
	}
	d.must(errors.Join(err, database.Close()))
	return string(sealed)
}

func TestKeysRotateSealsEverythingAgain(t *testing.T) {
	t.Parallel()
	d := worked(t)
	before := d.sealedToken()
	if p := d.ends(exitDone, "keys", "rotate"); p.out != "new data key; 1 secret sealed again\n" {
		t.Errorf("got %q", p.out)
	}
	after := d.sealedToken()
	// Byte 0 is a version, bytes 1 to 4 name the data key.
	if before[1:5] == after[1:5] {
		t.Error("the token is sealed with the old data key")
	}
	if strings.Contains(after, "canary-7f3a") {
		t.Error("the token is stored in the clear")
	}
	d.ends(exitDone, "connections", "test", "right") // it opens

	if p := d.ends(exitDone, "keys", "rotate", "--json"); p.out != "{\n  \"sealed\": 1\n}\n" {
		t.Errorf("got %q", p.out)
	}
	if p := d.ends(exitDone, "audit", "list", "--kind", "key", "--json"); strings.Count(p.out, `"seq"`) != 4 {
		t.Errorf("two rotations left this trail:\n%s", p.out)
	}
	d.ends(exitDone, "audit", "verify")
}

func TestKeysRotateRefusesBesideAService(t *testing.T) {
	t.Parallel()
	d := worked(t)
	before := d.sealedToken()
	d.hold()
	if p := d.ends(exitFailed, "keys", "rotate"); !strings.Contains(p.err, "stop it first") {
		t.Errorf("got %q", p.err)
	}
	if d.sealedToken() != before {
		t.Error("the token was sealed again")
	}
	d.ends(exitUsage, "keys", "rotate", "now")
}
