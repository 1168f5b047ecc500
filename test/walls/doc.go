// Package walls tests the rules that the compiler does not: who may import
// whom, where binary fractions must not be, and what every file has to have.
//
// The rules read the source, not the build, so they also see files for other
// platforms, and they hold for code that does not compile yet. Each rule is a
// function from a [repository] to findings and is tested twice: on a small made
// up repository that breaks it, and on this one.
package walls
