// Package recipes carries the recipes that ml-connector comes with, so that one
// binary is all there is. A file of the same name in the recipes folder is used
// instead.
package recipes

import "embed"

// FS holds the recipe files, NAME.yaml.
//
//go:embed *.yaml
var FS embed.FS
