package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// The rules of the chain. They are part of what is stored: a change breaks every
// trail there is.
//
// A hash is HMAC-SHA256 over a list of fields, each preceded by its length as 8
// bytes, the first being the name of the list, so that no two different lists give
// the same bytes. Numbers are 8 bytes, big endian; a time is its microseconds since
// 1970 UTC. Before the first entry stand 32 zero bytes.
const (
	labelEntry = "ml-connector audit entry v1"
	labelHead  = "ml-connector audit head v1"
)

const hashBytes = sha256.Size

// genesis stands before the first entry.
func genesis() Hash { return make(Hash, hashBytes) }

type chainHash struct{ mac hash.Hash }

func newChainHash(key []byte, label string) chainHash {
	h := chainHash{mac: hmac.New(sha256.New, key)}
	h.text(label)
	return h
}

func (h chainHash) bytes(field []byte) {
	_, _ = h.mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(field)))) // never fails
	_, _ = h.mac.Write(field)
}

func (h chainHash) text(field string) { h.bytes([]byte(field)) }

func (h chainHash) number(field int64) {
	h.bytes(binary.BigEndian.AppendUint64(nil, uint64(field)))
}

func (h chainHash) sum() Hash { return h.mac.Sum(nil) }

// entryHash is the hash of a row as if it had the given seq; all other fields,
// Prev among them, are the row's own.
func (l *Log) entryHash(r row, seq int64) Hash {
	e := r.entry
	h := newChainHash(l.key, labelEntry)
	h.number(seq)
	h.number(e.At.UnixMicro())
	h.text(string(e.Kind))
	h.text(e.Recipe)
	h.text(e.Flow)
	h.number(e.WorkID)
	h.text(e.Source)
	h.text(e.Target)
	h.number(int64(e.Attempt))
	h.text(e.Outcome)
	h.text(e.Reason)
	h.text(r.detail)
	h.bytes(e.Prev)
	return h.sum()
}

// genuine reports whether the row is one that Append wrote as entry seq.
func (l *Log) genuine(r row, seq int64) bool {
	return hmac.Equal(l.entryHash(r, seq), r.entry.Hash)
}

// head is the row of audit_head: the last entry and its hash.
type head struct {
	seq  int64
	hash Hash
	mac  Hash
}

func (l *Log) headMAC(seq int64, last Hash) Hash {
	h := newChainHash(l.key, labelHead)
	h.number(seq)
	h.bytes(last)
	return h.sum()
}

// authentic reports whether Append wrote the head.
func (l *Log) authentic(h head) bool {
	return hmac.Equal(l.headMAC(h.seq, h.hash), h.mac)
}
