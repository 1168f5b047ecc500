package connectortest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

var streamForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func streams(m connector.Manifest) error {
	var errs []error
	for _, e := range m.Entities {
		seen := map[string]bool{}
		for _, st := range e.Streams {
			if !streamForm.MatchString(st.Name) || seen[st.Name] || strings.TrimSpace(st.Help) == "" {
				errs = append(errs, fmt.Errorf("stream %q of %s: use lower-case letters, digits and underscores, once, with a sentence of help", st.Name, e.Entity))
			}
			seen[st.Name] = true
		}
		if len(e.Streams) > 0 && !m.Can(e.Entity, connector.VerbList) {
			errs = append(errs, fmt.Errorf("%s has streams and cannot be listed", e.Entity))
		}
	}
	return errors.Join(errs...)
}

// unknownStream asks for a stream that is not there, of entities that have some.
func (s *suite) unknownStream(ctx context.Context) error {
	var errs []error
	asked := false
	for _, e := range s.manifest.Entities {
		if len(e.Streams) == 0 {
			continue
		}
		asked = true
		errs = append(errs, s.allInvalid(ctx, s.session("unknown-stream", true), []call{{connector.VerbList, e.Entity,
			func(ctx context.Context, sess *connector.Session) error {
				_, err := s.c.List(ctx, sess, connector.ListRequest{Entity: e.Entity, Stream: "there_is_no_such_stream", PageSize: 1})
				return err
			}}}))
	}
	if !asked {
		return skip("no entity has streams")
	}
	return errors.Join(errs...)
}

// liveStreams lists each stream of an entity and reads its records; plain are the
// records that are in none.
func (s *suite) liveStreams(e connector.EntitySupport, plain []connector.Record) {
	for _, st := range e.Streams {
		name := string(e.Entity) + "-" + st.Name
		var listed []connector.Record
		s.check("live/list-"+name, func(ctx context.Context) (err error) {
			if listed, err = s.liveList(ctx, e, st.Name); err != nil {
				return err
			}
			return apart(plain, listed)
		})
		s.check("live/get-"+name, func(ctx context.Context) error { return s.liveGet(ctx, e, listed) })
	}
}

// apart checks that no record of a stream is in the list without one.
func apart(plain, stream []connector.Record) error {
	have := map[string]bool{}
	for _, r := range plain {
		have[r.ID] = true
	}
	for _, r := range stream {
		if have[r.ID] {
			return fmt.Errorf("%s is in the list without a stream too", r.Ref())
		}
	}
	return nil
}
