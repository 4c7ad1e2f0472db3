// Package examples holds what breaks each rule, and what does not. The pages of the rules show it, and the tests
// of the rules run it.
//
// Repository is a repository that every rule accepts. A file ID.txtar, or ID-what.txtar, changes it so that
// it breaks exactly the rule ID; ID.passes.txtar changes it so that the rule has something to look at, and accepts it.
// How lines of the comment change the repository is said in package addontest. Where the first line
// says archive, the file only tells of archives that the tests make.
package examples

import "embed"

// Repository is a txtar archive.
//
//go:embed repository.txt
var Repository []byte

// Files are the examples.
//
//go:embed *.txtar
var Files embed.FS
