package wire

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

func sessionToWire(s *connector.Session) *pb.Session {
	secrets := make(map[string]string, len(s.Secrets))
	for k, v := range s.Secrets {
		secrets[k] = v.Reveal()
	}
	return &pb.Session{
		Connection: s.Connection, AccountId: s.AccountID, Settings: s.Settings, Secrets: secrets,
		AccessToken: s.AccessToken.Reveal(), Priority: priorities.wire(s.Priority),
	}
}

func sessionFromWire(w *pb.Session) (*connector.Session, error) {
	p, err := priorities.read(w.GetPriority())
	if err != nil {
		return nil, err
	}
	s := &connector.Session{
		Connection: w.GetConnection(), AccountID: w.GetAccountId(),
		Settings: w.GetSettings(), AccessToken: connector.Secret(w.GetAccessToken()), Priority: p,
	}
	if s.Settings == nil {
		s.Settings = map[string]string{}
	}
	s.Secrets = make(map[string]connector.Secret, len(w.GetSecrets()))
	for k, v := range w.GetSecrets() {
		s.Secrets[k] = connector.Secret(v)
	}
	return s, nil
}

func usageToWire(u connector.Usage) *pb.Usage {
	return &pb.Usage{Calls: int32(u.Calls), MinuteRemaining: int32(u.MinuteRemaining), DayRemaining: int32(u.DayRemaining)}
}

func manifestToWire(m connector.Manifest) *pb.Manifest {
	w := &pb.Manifest{
		Name: m.Name, Title: m.Title, Version: m.Version, Summary: m.Summary,
		ReceivesWebhooks: m.ReceivesWebhooks, RegistersWebhooks: m.RegistersWebhooks,
	}
	for _, s := range m.Settings {
		w.Settings = append(w.Settings, &pb.Setting{
			Name: s.Name, Help: s.Help, Secret: s.Secret, Required: s.Required,
			DefaultValue: s.Default, Type: settingTypes.wire(s.Type),
		})
	}
	for _, e := range m.Entities {
		sup := &pb.EntitySupport{
			Entity: entities.wire(e.Entity), GetBatch: int32(e.GetBatch),
			UpsertBatch: int32(e.UpsertBatch), PageSize: int32(e.PageSize), ListsWhole: e.ListsWhole,
		}
		for _, v := range e.Verbs {
			sup.Verbs = append(sup.Verbs, verbs.wire(v))
		}
		for _, st := range e.Streams {
			sup.Streams = append(sup.Streams, &pb.Stream{Name: st.Name, Help: st.Help})
		}
		w.Entities = append(w.Entities, sup)
	}
	if o := m.OAuth; o != nil {
		w.Oauth = &pb.OAuth{
			AuthorizeUrlSetting: o.AuthorizeURLSetting, TokenUrlSetting: o.TokenURLSetting,
			ClientIdSetting: o.ClientIDSetting, ClientSecretSetting: o.ClientSecretSetting,
			RedirectUrlSetting: o.RedirectURLSetting, ScopesSetting: o.ScopesSetting, AccountSetting: o.AccountSetting,
		}
	}
	return w
}

func manifestFromWire(w *pb.Manifest) (connector.Manifest, error) {
	m := connector.Manifest{
		Name: w.GetName(), Title: w.GetTitle(), Version: w.GetVersion(), Summary: w.GetSummary(),
		ReceivesWebhooks: w.GetReceivesWebhooks(), RegistersWebhooks: w.GetRegistersWebhooks(),
	}
	var r reader
	for _, s := range w.GetSettings() {
		m.Settings = append(m.Settings, connector.Setting{
			Name: s.GetName(), Help: s.GetHelp(), Secret: s.GetSecret(), Required: s.GetRequired(),
			Default: s.GetDefaultValue(), Type: readEnum(&r, settingTypes, s.GetType()),
		})
	}
	for _, e := range w.GetEntities() {
		sup := connector.EntitySupport{
			Entity: readEnum(&r, entities, e.GetEntity()), GetBatch: int(e.GetGetBatch()),
			UpsertBatch: int(e.GetUpsertBatch()), PageSize: int(e.GetPageSize()), ListsWhole: e.GetListsWhole(),
		}
		if sup.GetBatch < 1 || sup.UpsertBatch < 1 || sup.PageSize < 1 {
			return m, fmt.Errorf("manifest: batch and page sizes of %s must be at least 1", sup.Entity)
		}
		for _, v := range e.GetVerbs() {
			sup.Verbs = append(sup.Verbs, readEnum(&r, verbs, v))
		}
		for _, st := range e.GetStreams() {
			sup.Streams = append(sup.Streams, connector.Stream{Name: st.GetName(), Help: st.GetHelp()})
		}
		m.Entities = append(m.Entities, sup)
	}
	if o := w.GetOauth(); o != nil {
		m.OAuth = &connector.OAuth{
			AuthorizeURLSetting: o.GetAuthorizeUrlSetting(), TokenURLSetting: o.GetTokenUrlSetting(),
			ClientIDSetting: o.GetClientIdSetting(), ClientSecretSetting: o.GetClientSecretSetting(),
			RedirectURLSetting: o.GetRedirectUrlSetting(), ScopesSetting: o.GetScopesSetting(), AccountSetting: o.GetAccountSetting(),
		}
	}
	if m.Name == "" || len(m.Entities) == 0 {
		return m, fmt.Errorf("manifest: a name and at least one entity are needed")
	}
	return m, r.err
}

func accountToWire(a connector.Account) *pb.Account {
	if a == (connector.Account{}) {
		return nil
	}
	return &pb.Account{Id: a.ID, Name: a.Name, Currency: a.Currency, Live: a.Live, TimeZone: a.TimeZone}
}

func accountFromWire(w *pb.Account) connector.Account {
	return connector.Account{
		ID: w.GetId(), Name: w.GetName(), Currency: w.GetCurrency(), Live: w.GetLive(), TimeZone: w.GetTimeZone(),
	}
}

func writeToWire(v connector.Write) *pb.Write {
	return &pb.Write{
		Key: v.Key, TargetId: v.TargetID, Record: recordToWire(v.Record),
		Policy: &pb.Policy{
			Refunds:      refundPolicies.wire(v.Policy.Refunds),
			LockedPeriod: lockedPolicies.wire(v.Policy.LockedPeriod),
		},
		Attempt: int32(v.Attempt), IntendedAt: timeToWire(v.IntendedAt),
	}
}

// writeFromWire reads a write of one entity, so that a connector need not look
// whether the body is there.
func writeFromWire(w *pb.Write, entity connector.Entity) (connector.Write, error) {
	rec, err := recordFromWire(w.GetRecord())
	if err != nil {
		return connector.Write{}, err
	}
	if rec.Entity != entity || wanting(rec) {
		return connector.Write{}, fmt.Errorf("write %q of %s holds a record of %q, or an empty one", w.GetKey(), entity, rec.Entity)
	}
	var r reader
	v := connector.Write{
		Key: w.GetKey(), TargetID: w.GetTargetId(), Record: rec,
		Policy: connector.Policy{
			Refunds:      readEnum(&r, refundPolicies, w.GetPolicy().GetRefunds()),
			LockedPeriod: readEnum(&r, lockedPolicies, w.GetPolicy().GetLockedPeriod()),
		},
		Attempt: max(int(w.GetAttempt()), 1), IntendedAt: r.time(w.GetIntendedAt()),
	}
	if v.Key == "" {
		return v, fmt.Errorf("a write without an idempotency key")
	}
	return v, r.err
}

func outcomeToWire(o connector.Outcome) *pb.Outcome {
	w := &pb.Outcome{Result: results.wire(o.Result), Id: o.ID, Reason: plain(o.Reason)}
	if o.Record != nil {
		w.Record = recordToWire(*o.Record)
	}
	for _, e := range o.Effects {
		w.Effects = append(w.Effects, &pb.Effect{What: e.What, Id: e.ID, Amount: moneyToWire(e.Amount)})
	}
	if o.Err != nil {
		w.Result = pb.OutcomeResult_OUTCOME_RESULT_UNSPECIFIED
		w.Error = errorToWire(o.Err)
	}
	return w
}

// outcomeFromWire reads one outcome. An outcome that claims success without
// saying which record it is about is not believed.
func outcomeFromWire(w *pb.Outcome, entity connector.Entity) (connector.Outcome, error) {
	if w.GetError() != nil {
		return connector.Outcome{ID: w.GetId(), Reason: w.GetReason(), Err: errorFromWire(w.GetError())}, nil
	}
	var r reader
	o := connector.Outcome{ID: w.GetId(), Reason: w.GetReason(), Result: readEnum(&r, results, w.GetResult())}
	for _, e := range w.GetEffects() {
		o.Effects = append(o.Effects, connector.Effect{What: e.GetWhat(), ID: e.GetId(), Amount: r.money(e.GetAmount())})
	}
	if w.GetRecord() != nil {
		rec, err := recordFromWire(w.GetRecord())
		r.keep(err)
		if err == nil && rec.Entity != entity {
			r.keep(fmt.Errorf("outcome of %s holds a record of %s", entity, rec.Entity))
		}
		o.Record = &rec
	}
	if r.err == nil && o.Result == "" {
		r.keep(fmt.Errorf("an outcome that says neither what was done nor what went wrong"))
	}
	if r.err == nil && o.ID == "" && (o.Result == connector.Created || o.Result == connector.Adopted) {
		r.keep(fmt.Errorf("outcome %q names no record", o.Result))
	}
	return o, r.err
}

func eventToWire(e connector.Event) *pb.Event {
	return &pb.Event{
		Entity: entities.wire(e.Ref.Entity), Id: e.Ref.ID, Kind: eventKinds.wire(e.Kind),
		OccurredAt: timeToWire(e.OccurredAt), DedupeKey: e.DedupeKey, AccountId: e.AccountID, Stream: e.Stream,
	}
}

func eventFromWire(w *pb.Event) (connector.Event, error) {
	var r reader
	e := connector.Event{
		Ref:        connector.Ref{Entity: readEnum(&r, entities, w.GetEntity()), ID: w.GetId()},
		Kind:       readEnum(&r, eventKinds, w.GetKind()),
		OccurredAt: r.time(w.GetOccurredAt()), DedupeKey: w.GetDedupeKey(), AccountID: w.GetAccountId(), Stream: w.GetStream(),
	}
	if e.Ref.ID == "" || e.Ref.Entity == "" {
		r.keep(fmt.Errorf("an event that names no record"))
	}
	return e, r.err
}

// headersToWire takes the first value of each header. A header may hold any
// bytes, the wire only valid text: what is not becomes U+FFFD, which no
// signature contains.
func headersToWire(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for k := range h {
		out[strings.ToValidUTF8(k, replacement)] = strings.ToValidUTF8(h.Get(k), replacement)
	}
	return out
}

func headersFromWire(w map[string]string) http.Header {
	h := make(http.Header, len(w))
	for k, v := range w {
		h.Set(k, v)
	}
	return h
}
