package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// Two contacts are the same when each is the only one on its side that the other
// may be (connector.MatchContact says who may be). So the order in which records
// are worked on decides nothing, and the preview says what a pass will do. What
// is linked already is nobody else's counterpart.

// verdict is what is to become of a contact that nothing links yet: linked to
// target, left to a person because of reason, or, when neither is set, made anew.
type verdict struct {
	target string
	why    connector.MatchWhy
	reason string
	remedy string
	among  []candidate // the records that a person must tell apart, itself included
}

// likeness is why two contacts are the same, for people.
func likeness(why connector.MatchWhy) string {
	if why == connector.MatchMark {
		return "it bears our mark"
	}
	return "the same " + string(why)
}

// candidate is one of several records that may be the same.
type candidate struct {
	ref   Ref
	label string
}

// tellApart is what a person can do about contacts that cannot be told apart.
func (q question) tellApart() string {
	return "merge or correct the duplicates, or link the right two: ml-connector links add REF REF --recipe " + q.recipe + "; then replay"
}

// question is who the counterpart of a contact is.
type question struct {
	recipe      string
	look        lookup
	here, there lane
	self        connector.Record   // the source record
	want        *connector.Contact // what its flow wishes for
}

func (q question) verdict(ctx context.Context) (verdict, error) {
	near, err := q.look.similar(ctx, q.there, q.here, q.want)
	if err != nil {
		return verdict{}, err
	}
	free := slices.DeleteFunc(slices.Clone(near), func(x listed) bool { return x.partner != "" })
	found := connector.MatchContact(q.want, recordsOf(free))
	switch {
	case len(found.Candidates) > 0:
		return q.several(found, q.candidates(q.there, free, found.Candidates)), nil
	case found.ID == "":
		return q.alone(ctx, near)
	case found.Why == connector.MatchMark:
		return verdict{target: found.ID, why: found.Why}, nil
	}
	return q.mutual(ctx, found, free)
}

// mutual asks the other way round: who of our side may the one that was found be?
func (q question) mutual(ctx context.Context, found connector.ContactMatch, free []listed) (verdict, error) {
	at := slices.IndexFunc(free, func(x listed) bool { return x.rec.ID == found.ID })
	other := *free[at].rec.Contact
	other.Marks = nil
	rivals, err := q.rivals(ctx, &other)
	if err != nil {
		return verdict{}, err
	}
	back := connector.MatchContact(&other, recordsOf(rivals))
	switch {
	case back.ID == q.self.ID:
		return verdict{target: found.ID, why: found.Why}, nil
	case slices.Contains(back.Candidates, q.self.ID):
		among := append(q.candidates(q.here, rivals, back.Candidates), candidate{Ref{q.there.connection, q.there.entity, found.ID}, free[at].label})
		return verdict{
			reason: fmt.Sprintf("%d contacts in %s may be %q in %s (same %s)", len(back.Candidates), q.here.connection, free[at].label, q.there.connection, back.Why),
			remedy: q.tellApart(), among: among,
		}, nil
	}
	return verdict{}, nil // it is somebody else's
}

// rivals are the records of our own side that may be a contact of the other one:
// those that take part and are not linked.
func (q question) rivals(ctx context.Context, other *connector.Contact) ([]listed, error) {
	near, err := q.look.similar(ctx, q.here, q.there, other)
	if err != nil {
		return nil, err
	}
	near = slices.DeleteFunc(near, func(x listed) bool { return x.rec.ID == q.self.ID || x.partner != "" || !x.part })
	return append(near, listed{rec: q.self, label: q.self.Contact.Name, part: true}), nil
}

// alone decides about a contact that has no free counterpart. Where our mark
// tells contacts with one e-mail address apart, each gets its own. Elsewhere one
// of them goes first, and the others are duplicates.
func (q question) alone(ctx context.Context, near []listed) (verdict, error) {
	me := candidate{Ref{q.here.connection, q.here.entity, q.self.ID}, q.self.Contact.Name}
	if taken := connector.MatchContact(q.want, recordsOf(near)); taken.ID != "" || len(taken.Candidates) > 0 {
		ids := append(slices.Clone(taken.Candidates), taken.ID)
		at := slices.IndexFunc(near, func(x listed) bool { return slices.Contains(ids, x.rec.ID) })
		x := near[at]
		return verdict{
			reason: fmt.Sprintf("%q in %s, with the same %s, is already the counterpart of %s", x.label, q.there.connection, taken.Why, x.partner),
			remedy: q.tellApart(),
			among: []candidate{me, {Ref{q.here.connection, q.here.entity, x.partner}, ""},
				{Ref{q.there.connection, q.there.entity, x.rec.ID}, x.label}},
		}, nil
	}
	if len(q.want.Marks) > 0 {
		return verdict{}, nil
	}
	rivals, err := q.rivals(ctx, &connector.Contact{Email: q.self.Contact.Email})
	if err != nil {
		return verdict{}, err
	}
	first := slices.MinFunc(rivals, func(x, y listed) int { return strings.Compare(x.rec.ID, y.rec.ID) })
	if first.rec.ID == q.self.ID {
		return verdict{}, nil
	}
	return verdict{
		reason: fmt.Sprintf("it has the same e-mail address as %q, %s, which goes first", first.label, first.rec.ID),
		remedy: q.tellApart(), among: []candidate{me, {Ref{q.here.connection, q.here.entity, first.rec.ID}, first.label}},
	}, nil
}

func (q question) several(found connector.ContactMatch, among []candidate) verdict {
	me := candidate{Ref{q.here.connection, q.here.entity, q.self.ID}, q.self.Contact.Name}
	return verdict{
		reason: fmt.Sprintf("%d contacts in %s may be %q (same %s)", len(found.Candidates), q.there.connection, q.want.Name, found.Why),
		remedy: q.tellApart(), among: append(among, me),
	}
}

func (q question) candidates(l lane, all []listed, ids []string) []candidate {
	var out []candidate
	for _, x := range all {
		if slices.Contains(ids, x.rec.ID) {
			out = append(out, candidate{Ref{l.connection, l.entity, x.rec.ID}, x.label})
		}
	}
	return out
}

func recordsOf(all []listed) []connector.Record {
	out := make([]connector.Record, len(all))
	for i, x := range all {
		out[i] = x.rec
	}
	return out
}

// settleOn finds the counterpart of a contact that nothing links yet. It returns
// true when the attempt has ended; else in says whether the two are linked now.
func (r *run) settleOn(ctx context.Context, in *recipe.Input, want recipe.Want) (job.Result, bool, error) {
	if in.Linked || r.flow.Back() == nil || want.Record.Contact == nil || in.Record.Contact == nil {
		return job.Result{}, false, nil
	}
	q := question{
		recipe: r.w.Recipe, look: rosterOf{r.cfg.DB.Read(), r.w.Recipe}, self: in.Record, want: want.Record.Contact,
		here: lane{r.w.Source.Connection, r.w.Source.Entity}, there: lane{r.plan.Connection(r.flow.To), r.flow.To.Entity},
	}
	v, err := q.verdict(ctx)
	if err != nil {
		return job.Result{}, true, err
	}
	if v.reason != "" {
		for _, c := range v.among {
			if c.ref != r.w.Source {
				r.w.Records = nonNil(r.w.Records)
				r.w.Records["candidate "+c.ref.ID] = c.ref.ID
			}
		}
		version := in.Record.Version
		res, err := r.finish(ctx, concern{state: Held, reason: v.reason, remedy: v.remedy, version: &version},
			audit.Entry{Kind: audit.KindHold, Outcome: "held"}, nil)
		return res, true, err
	}
	if v.target == "" {
		return job.Result{}, false, nil
	}
	err = r.join(ctx, *in, want, v)
	if errors.Is(err, errOvertaken) {
		return r.rest(ctx, errOvertaken.Error(), dependencyFirst), true, nil
	}
	in.TargetID, in.Linked = v.target, true
	return job.Result{}, false, err
}

// join links two records that are the same. Both are left as they are where both
// say something; what only one of them says is for its flow to fill in.
func (r *run) join(ctx context.Context, in recipe.Input, want recipe.Want, v verdict) error {
	to := r.to(v.target)
	there, err := r.fetch(ctx, to)
	if err != nil {
		return err
	}
	if there.Gone || there.Contact == nil {
		return connector.Errorf(connector.Unavailable, "link "+r.w.Source.String(), "%s has gone meanwhile", to)
	}
	known, gaps, err := r.common(ctx, to, there, want.Record)
	if err != nil {
		return err
	}
	back := hint{recipe: r.w.Recipe, flow: r.flow.Inverse, ref: to}
	return r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		if err := r.overtaken(ctx, tx); err != nil {
			return err
		}
		for _, pair := range [][2]Ref{{r.w.Source, to}, {to, r.w.Source}} {
			other, err := partner(ctx, tx, r.w.Recipe, pair[0], lane{pair[1].Connection, pair[1].Entity}, false)
			if err != nil {
				return err
			}
			if other != "" {
				return errOvertaken
			}
		}
		why := "adopted: " + likeness(v.why)
		if err := r.storeLink(ctx, tx, r.w.Recipe, r.w.Source, to, in.Record.Contact.Name, why, connector.Outcome{}, 0); err != nil {
			return err
		}
		if err := known.store(ctx, tx, r.w.Recipe, r.w.Source, to); err != nil {
			return err
		}
		if err := r.append(ctx, tx, audit.Entry{Kind: audit.KindLink, Target: to.String(), Outcome: "linked", Reason: likeness(v.why)}); err != nil {
			return err
		}
		if !gaps {
			return nil
		}
		_, _, err := r.touch(ctx, tx, back)
		return err
	})
}

// common is what two records that were not linked before have both said, and
// whether the other one says something that ours lacks.
func (r *run) common(ctx context.Context, to Ref, there connector.Record, want connector.Record) (agreements, bool, error) {
	ours, err := recipe.FieldsOf(want)
	if err != nil {
		return nil, false, err
	}
	theirs, err := recipe.FieldsOf(there)
	if err != nil {
		return nil, false, err
	}
	known, gaps := agreements{r.flow.Name: {}, r.flow.Inverse: {}}, false
	wish, err := r.wishBack(ctx, to, there)
	if err != nil {
		return nil, false, err
	}
	back := recipe.Fields{}
	if wish != nil {
		if back, err = recipe.FieldsOf(wish.Record); err != nil {
			return nil, false, err
		}
	}
	for name, v := range ours {
		if theirs[name] != "" && (r.flow.Back().Maps(name) || theirs[name] == v) {
			known[r.flow.Name][name] = v
		}
	}
	for name, v := range back {
		if ours[name] != "" {
			known[r.flow.Inverse][name] = v
			continue
		}
		gaps = true
	}
	return known, gaps && r.plan.enabled[r.flow.Inverse], nil
}
