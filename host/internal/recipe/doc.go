// Package recipe reads recipes and applies them: a YAML file with CEL
// expressions becomes a checked [Recipe], and a source record becomes a
// [Decision] about the record that the other service should hold.
//
//	file, on those that it extends --Load--> Recipe --Bind--> Params
//	Record, Params, needs --Flow.Evaluate--> Skip | Hold | Wait | Want
//
// [Parse] reports every mistake at once as [Diagnostics] with file, line and
// column: unknown keys, names and fields, wrong types, a sum of money with a
// number, words that a field cannot hold. What passes can still meet a record
// that it cannot map (a missing mark, two currencies); that is an error of kind
// connector.Invalid that names recipe, flow and field.
//
// # The field tables
//
// The fields of an invoice, a payment or a contact are listed once, in tables
// (entity_*.go). The tables type-check expressions, read records, build wanted
// records, read the records of a recipe's own test cases, and write the JSON
// Schema and the reference in docs/recipes.md. A field that is added to an
// entity of package connector is added to its table, and nowhere else here.
//
// # What it never does
//
// The package is pure: no I/O but for the files that a [Library] reads, no clock, no
// randomness, no floating point. A Recipe is immutable and safe for concurrent
// use. The language is described in docs/recipes.md.
package recipe
