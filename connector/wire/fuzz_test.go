package wire

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ml-connector/ml-connector/connector"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

// FuzzRecordFromWire feeds the host what any plugin could send. What is taken must
// be fit for the rest of the host: it can be stored as JSON, read back, and sent on
// as it is.
func FuzzRecordFromWire(f *testing.F) {
	for i, e := range connector.Entities() {
		b, err := proto.Marshal(recordToWire(genRecord(e).Example(i)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var w pb.Record
		if proto.Unmarshal(b, &w) != nil {
			return
		}
		r, err := recordFromWire(&w)
		if err != nil {
			return
		}
		stored, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("cannot be stored: %v", err)
		}
		var read connector.Record
		if err := json.Unmarshal(stored, &read); err != nil {
			t.Fatalf("cannot be read back: %v\n%s", err, stored)
		}
		if diff := cmp.Diff(r, read, alike); diff != "" {
			t.Fatalf("stored and read (-before +after):\n%s", diff)
		}
		again, err := recordFromWire(recordToWire(r))
		if err != nil {
			t.Fatalf("cannot be sent on: %v", err)
		}
		if diff := cmp.Diff(r, again, alike); diff != "" {
			t.Fatalf("sent on (-before +after):\n%s", diff)
		}
	})
}

// The numbers of every enumeration are one to one: no two words share a number,
// and none is the number of the unset word.
func TestEnumsAreOneToOne(t *testing.T) {
	oneToOne(t, entities)
	oneToOne(t, verbs)
	oneToOne(t, settingTypes)
	oneToOne(t, invoiceKinds)
	oneToOne(t, invoiceStatuses)
	oneToOne(t, taxModes)
	oneToOne(t, paymentKinds)
	oneToOne(t, paymentStatuses)
	oneToOne(t, contactStatuses)
	oneToOne(t, priorities)
	oneToOne(t, errorKinds)
	oneToOne(t, results)
	oneToOne(t, refundPolicies)
	oneToOne(t, lockedPolicies)
	oneToOne(t, verdicts)
	oneToOne(t, eventKinds)
}

func oneToOne[G comparable, P interface {
	~int32
	protoreflect.Enum
}](t *testing.T, e enum[G, P]) {
	t.Helper()
	if numbers := P(0).Descriptor().Values().Len() - 1; len(e.to) != numbers {
		t.Errorf("%s: %d words for %d numbers of the contract", e.name, len(e.to), numbers)
	}
	if len(e.to) != len(e.from) {
		t.Errorf("%s: %d words have %d numbers", e.name, len(e.to), len(e.from))
	}
	for g, p := range e.to {
		if got, err := e.read(e.wire(g)); p < 1 || err != nil || got != g {
			t.Errorf("%s: %v is %d and comes back as %v, %v", e.name, g, p, got, err)
		}
	}
	if _, err := e.read(foreign); err == nil {
		t.Errorf("%s: the foreign number is known", e.name)
	}
}
