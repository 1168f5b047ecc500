package recipe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fileExt is what the names of recipe files end in.
const fileExt = ".yaml"

// Library is where recipes are found by their names: NAME.yaml in a folder, or
// else among those that the program comes with.
type Library struct {
	Dir     string // empty: no folder
	BuiltIn fs.FS  // nil: none
}

// Load reads a recipe by its name. The error is Diagnostics when the file, or
// one that it extends, is a wrong recipe, and fs.ErrNotExist when there is none.
func (l Library) Load(name string) (*Recipe, error) {
	file, data, err := l.read(name)
	if err != nil {
		return nil, err
	}
	return l.parse(file, data)
}

// LoadFile reads a recipe file. What it extends is looked for beside it, then
// among the recipes that the program comes with. Errors are those of Load.
func (l Library) LoadFile(path string) (*Recipe, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read recipe: %w", err)
	}
	return Library{Dir: filepath.Dir(path), BuiltIn: l.BuiltIn}.parse(path, data)
}

// Names lists the recipes that there are, whether right or wrong, in order.
func (l Library) Names() []string {
	var out []string
	add := func(entries []fs.DirEntry, _ error) { // a folder that cannot be read has none
		for _, e := range entries {
			if name, ok := strings.CutSuffix(e.Name(), fileExt); ok && !e.IsDir() {
				out = append(out, name)
			}
		}
	}
	if l.Dir != "" {
		add(os.ReadDir(l.Dir))
	}
	if l.BuiltIn != nil {
		add(fs.ReadDir(l.BuiltIn, "."))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// path is where a recipe's file would be in the folder.
func (l Library) path(name string) string { return filepath.Join(l.Dir, name+fileExt) }

// read returns the text of a recipe, and what to call its file.
func (l Library) read(name string) (file string, data []byte, err error) {
	if l.Dir != "" {
		data, err = os.ReadFile(l.path(name))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return l.path(name), data, err
		}
	}
	if l.BuiltIn == nil {
		return "", nil, fmt.Errorf("recipe %s: %w", name, fs.ErrNotExist)
	}
	data, err = fs.ReadFile(l.BuiltIn, name+fileExt)
	return builtInFile(name), data, err
}

// builtInFile is what a recipe that the program comes with is called in messages.
func builtInFile(name string) string { return "built-in " + name + fileExt }
