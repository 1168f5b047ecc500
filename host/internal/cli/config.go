package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/goccy/go-yaml/ast"
	yamlparser "github.com/goccy/go-yaml/parser"
)

// configBytesMax bounds the configuration file, which is a screenful.
const configBytesMax = 64 << 10

// config is the configuration file: the names of flags and their values as they
// are written there. A number keeps its digits: account 0610 is not account 610.
type config map[string]configValue

// configValue is one value, or several for a flag that can be repeated.
type configValue struct {
	texts []string
	many  bool
}

// readConfig reads the configuration file. The default one may be missing.
func (s *settings) readConfig() (config, error) {
	optional := s.config == ""
	if optional {
		s.config = configDefault
	}
	b, err := os.ReadFile(s.config)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	if len(b) > configBytesMax {
		return nil, fmt.Errorf("%s has %d bytes; a configuration file has at most %d", s.config, len(b), configBytesMax)
	}
	c, err := parseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.config, err)
	}
	return c, nil
}

func parseConfig(b []byte) (c config, err error) {
	file, err := yamlparser.ParseBytes(b, 0)
	if err != nil {
		return nil, err
	}
	c = config{}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentGroupType || doc.Body.Type() == ast.NullType {
			continue
		}
		m, ok := doc.Body.(ast.MapNode)
		if !ok {
			return nil, errors.New("write one setting to a line, as in data: ./data")
		}
		for it := m.MapRange(); it.Next(); {
			name := it.Key().GetToken().Value
			if _, twice := c[name]; twice {
				return nil, fmt.Errorf("%s is set twice", name)
			}
			v, err := parseConfigValue(it.Value())
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			c[name] = v
		}
	}
	return c, nil
}

// parseConfigValue reads a text, a list of texts, or names with texts: param:
// {clearing_account: 610} is --param clearing_account=610. Nothing is nothing.
func parseConfigValue(n ast.Node) (configValue, error) {
	v := configValue{}
	switch n := n.(type) {
	case *ast.SequenceNode:
		v.many = true
		for _, x := range n.Values {
			text, err := configText(x)
			if err != nil {
				return v, err
			}
			v.texts = append(v.texts, text)
		}
	case ast.MapNode:
		v.many = true
		for it := n.MapRange(); it.Next(); {
			text, err := configText(it.Value())
			if err != nil {
				return v, err
			}
			v.texts = append(v.texts, it.Key().GetToken().Value+"="+text)
		}
	case nil, *ast.NullNode:
	default:
		text, err := configText(n)
		if err != nil {
			return v, err
		}
		v.texts = []string{text}
	}
	return v, nil
}

// configText returns a scalar as it is written.
func configText(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n"), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	case nil, *ast.NullNode:
		return "", nil
	}
	return "", errors.New("use a text, a list of texts, or NAME: VALUE")
}
