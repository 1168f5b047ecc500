// Package vault seals secrets before they reach the database and opens them again.
//
// Three layers of keys:
//
//	master key      32 bytes in a file or the environment, or wrapped by a KMS; never in the database
//	  └─ keyset     data keys (AES256-GCM, Tink), stored sealed by a key derived from the master key
//	       └─ secret  sealed by the newest data key, bound to its connection and field
//
// A sealed secret opens only under the connection and field that it was sealed
// for: a row that was copied or swapped is refused. [Vault.Rotate] adds a data key;
// what older ones sealed still opens. [Vault.DeriveKey] gives other rooms a key of
// their own (the audit trail's) that changes only with the master key.
//
// The package owns the table vault_keyset, and only that. It never logs, its errors
// never hold a key or a secret, and its values print as "[redacted]". All methods
// of a Vault may be called concurrently.
package vault
