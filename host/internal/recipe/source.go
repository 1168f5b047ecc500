package recipe

import (
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/token"
)

// place is a position in a file, counted from 1; columns count characters.
type place struct {
	line, column int
	in           *source // nil: the file that is parsed
}

// source is the text of a file, kept for the positions of diagnostics.
type source struct {
	file  string
	depth int      // how many recipes lie above it, each extending the next; 0: the file that is parsed
	lines [][]rune // without their line ends
}

func newSource(file string, data []byte, depth int) *source {
	s := &source{file: file, depth: depth}
	for line := range strings.SplitSeq(string(data), "\n") {
		s.lines = append(s.lines, []rune(strings.TrimSuffix(line, "\r")))
	}
	return s
}

// start is the beginning of the file.
func (s *source) start() place { return place{1, 1, s} }

// placeOf returns where a token stands.
func (s *source) placeOf(tk *token.Token) place {
	if tk == nil || tk.Position == nil {
		return s.start()
	}
	return place{max(tk.Position.Line, 1), max(tk.Position.Column, 1), s}
}

// places returns where each character of a scalar stands in the file, and where
// it ends: one entry more than the text has characters. YAML changes a text on
// its way (quotes, escapes, folded lines), so both are walked side by side.
func (s *source) places(tk *token.Token, text string) []place {
	w := &walker{source: s, at: s.placeOf(tk)}
	switch tk.Type {
	case token.SingleQuoteType, token.DoubleQuoteType:
		w.quote = tk.Type
		w.at.column++
	case token.LiteralType, token.FoldedType:
		w.at = place{w.at.line + 1, 1, w.source} // the text begins below its header
	}
	var out []place
	for _, r := range text {
		out = append(out, w.next(r))
	}
	return append(out, w.at)
}

// walker goes through the file as the characters of one scalar are named.
type walker struct {
	source *source
	at     place
	quote  token.Type // unset for plain and block scalars
}

// next returns where the scalar's next character stands, and moves past it.
func (w *walker) next(r rune) place {
	for w.here() != r && unicode.IsSpace(w.here()) && !unicode.IsSpace(r) {
		w.move(1) // indentation
	}
	start := w.at
	switch here := w.here(); {
	case here == 0: // past the end: nothing to move over
	case unicode.IsSpace(r) && here != r:
		w.move(1) // a line end folded into a space, or the other way round
	case w.quote == token.SingleQuoteType && r == '\'':
		w.move(2)
	case w.quote == token.DoubleQuoteType && here == '\\':
		w.move(w.escapeLength())
	default:
		w.move(1)
	}
	return start
}

// escapeLength is the number of characters of the escape sequence at hand.
func (w *walker) escapeLength() int {
	line := w.source.lines[w.at.line-1]
	if w.at.column >= len(line) {
		return 1
	}
	switch line[w.at.column] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}

// here is the character at hand: a line break at a line's end, 0 at the end of
// the file.
func (w *walker) here() rune {
	if w.at.line > len(w.source.lines) {
		return 0
	}
	line := w.source.lines[w.at.line-1]
	if w.at.column > len(line) {
		if w.at.line == len(w.source.lines) {
			return 0
		}
		return '\n'
	}
	return line[w.at.column-1]
}

func (w *walker) move(n int) {
	for range n {
		switch w.here() {
		case 0:
			return
		case '\n':
			w.at = place{w.at.line + 1, 1, w.source}
		default:
			w.at.column++
		}
	}
}
