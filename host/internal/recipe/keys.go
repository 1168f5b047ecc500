package recipe

import "time"

// Defaults and limits of what a recipe says.
const (
	pollDefault     = time.Minute
	pollMin         = time.Second
	attemptsDefault = 8
	attemptsMax     = 100
	firstDefault    = time.Second
	factorDefault   = 2
	factorMax       = 10
	capDefault      = 5 * time.Minute
	waitMax         = 24 * time.Hour // of any wait and poll
	sweepMin        = time.Minute
	sweepMax        = 31 * 24 * time.Hour
)

// The keys of the file, for the parser, the JSON Schema and docs/recipes.md.
var (
	recipeKeys = keyTable{name: "a recipe", keys: []key{
		{name: "recipe", doc: "The recipe's name, as in `run --recipe NAME`: lower case, digits, dashes.", required: true, schema: nameSchema},
		{name: "extends", doc: "The recipe that this one is read on top of, by its name: in the same folder, or built in.", schema: nameSchema},
		{name: "continues", doc: "With `extends`: whether it goes on with the links, cursors and work of that recipe, so that an owner can change from one to the other. Default `false`: it begins its own.", schema: schema{"type": "boolean"}},
		{name: "description", doc: "One sentence for people.", schema: textSchema},
		{name: "connections", doc: "The connections that the recipe needs, by the name that it uses for them.", required: true, schema: mapOf("connection")},
		{name: "params", doc: "What the owner chooses.", schema: mapOf("param")},
		{name: "checks", doc: "Asked of the connectors before the recipe starts.", schema: listOf("check")},
		{name: "refuse", doc: "Choices of parameters that do not go together; the recipe does not start with them.", schema: listOf("refuse")},
		{name: "retry", doc: "How often failed work is tried.", schema: refTo("retry")},
		{name: "poll", doc: "How often each source is asked for changes. Default `1m`.", schema: durationSchema},
		{name: "flows", doc: "What goes from where to where, by name.", required: true, schema: mapOf("flow")},
		{name: "tests", doc: "The recipe's own test cases, run by `recipes test`.", schema: listOf("test")},
	}}
	connectionKeys = keyTable{name: "a connection", keys: []key{
		{name: "connector", doc: "The connector's name: `xero` is the plugin `ml-connector-plugin-xero`.", required: true, schema: nameSchema},
		{name: "connection", doc: "The connection that is used, as `connections add` named it, unless `--connection` names another. Default: the name that the recipe uses.", schema: scalarSchema},
	}}
	paramKeys = keyTable{name: "a parameter", keys: []key{
		{name: "type", doc: "`string`, `bool`, `int`, `decimal`, `date` or `duration`.", required: true, schema: enumOf(paramTypeNames()...)},
		{name: "required", doc: "Whether the owner must choose a value. Default `false`.", schema: schema{"type": "boolean"}},
		{name: "default", doc: "The value when none is chosen. For a date also `first_run`: the day on which the recipe first ran.", schema: scalarSchema},
		{name: "lasting", doc: "Values that exclude each other for good: once the recipe has run with one of them, it does not start with another.", schema: schema{"type": "array", "items": scalarSchema, "minItems": 2}},
		{name: "one_of", doc: "The only values that a string may have.", schema: schema{"type": "array", "items": scalarSchema, "minItems": 1}},
		{name: "help", doc: "What it means, for people.", schema: textSchema},
	}}
	checkKeys = keyTable{name: "a check", keys: []key{
		{name: "connection", doc: "The connection that is asked.", required: true, schema: nameSchema},
		{name: "posting_account", doc: "An expression of `params`: the account that must exist, be active and able to receive payments.", schema: expressionSchema},
		{name: "currency_of", doc: "The connection whose money arrives in the posting account: an account that cannot hold its currency is refused.", schema: nameSchema},
		{name: "counter_account", doc: "An expression of `params`: an account at the other end of what is posted, which must exist and be active. Empty: none.", schema: expressionSchema},
	}}
	refuseKeys = keyTable{name: "a refuse rule", keys: []key{
		{name: "when", doc: "An expression of `params` that is true or false.", required: true, schema: expressionSchema},
		{name: "because", doc: "What to choose instead: plain text, or an expression after `=`.", required: true, schema: textSchema},
	}}
	retryKeys = keyTable{name: "retry", keys: []key{
		{name: "attempts", doc: "The most attempts. Default 8.", schema: integerSchema(1, attemptsMax)},
		{name: "first", doc: "The wait after the first attempt. Default `1s`.", schema: durationSchema},
		{name: "factor", doc: "Each further wait is so many times the one before: a whole number. Default 2.", schema: integerSchema(1, factorMax)},
		{name: "cap", doc: "The longest wait. Default `5m`.", schema: durationSchema},
	}}
	flowKeys = keyTable{name: "a flow", keys: []key{
		{name: "description", doc: "One sentence for people.", schema: textSchema},
		{name: "from", doc: "The source, as `connection.entity` or, for what the connector lists on its own, `connection.entity.stream`.", required: true, schema: endSchema},
		{name: "to", doc: "The target, as `connection.entity` or `connection.entity.stream`.", required: true, schema: endSchema},
		{name: "inverse", doc: "The flow that carries the same pair back; it must name this one. Their digests recognise our own echo.", schema: nameSchema},
		{name: "enabled", doc: "An expression of `params`: whether changes start the flow. A flow that another flow needs still runs on demand. Default `true`.", schema: expressionSchema},
		{name: "poll", doc: "How often the source is asked for changes. Default: the recipe's.", schema: durationSchema},
		{name: "also", doc: "Other entities whose events concern this flow's records.", schema: listOf("also")},
		{name: "skip", doc: "Records that do not take part, each with its reason. The first rule that holds decides.", schema: listOf("skip")},
		{name: "hold", doc: "Records that a person decides on. Asked after `skip`; the first rule that holds decides.", schema: listOf("hold")},
		{name: "needs", doc: "Records that must be in the target first, by the name under which `needs` has their id.", schema: mapOf("need")},
		{name: "expand", doc: "An expression: ids of further records of the same entity that this record brings along. Asked of every record, also of a skipped one.", schema: expressionSchema},
		{name: "sweep", doc: "Which records are looked at again from time to time, though their source told of no change.", schema: refTo("sweep")},
		{name: "policy", doc: "What the owner chose, handed to the connector with each write.", schema: refTo("policy")},
		{name: "owns", doc: "Fields of `map` that this flow has the last word on; its inverse writes them only when it makes the record, or while they are empty. A field that neither owns goes to the record that changed last.", schema: schema{"type": "array", "items": textSchema}},
		{name: "map", doc: "The wanted record: an expression for each field of the target entity. A field without one is left alone.", required: true, schema: schema{"type": "object"}},
	}}
	sweepKeys = keyTable{name: "a sweep", keys: []key{
		{name: "every", doc: "The time between two sweeps, from `1m` to `744h`.", required: true, schema: durationSchema},
		{name: "while", doc: "An expression of the record that is true or false: whether the sweeps look at it again.", required: true, schema: expressionSchema},
	}}
	alsoKeys = keyTable{name: "an also rule", keys: []key{
		{name: "entity", doc: "The other entity.", required: true, schema: entitySchema},
		{name: "side", doc: "The end whose entity it is: `from`, the default, or `to`. After an event of the target the flow looks there, though nothing new is wanted.", schema: schema{"enum": []string{sideFrom, sideTo}}},
		{name: "records", doc: "An expression over that entity: ids of the flow's records. Empty ids are left out.", required: true, schema: expressionSchema},
	}}
	skipKeys = keyTable{name: "a skip rule", keys: []key{
		{name: "when", doc: "An expression that is true or false.", required: true, schema: expressionSchema},
		{name: "because", doc: "The reason, stored and shown: plain text, or an expression after `=`.", required: true, schema: textSchema},
	}}
	holdKeys = keyTable{name: "a hold rule", keys: append(skipKeys.keys[:len(skipKeys.keys):len(skipKeys.keys)],
		key{name: "remedy", doc: "What the person can do: plain text, or an expression after `=`.", required: true, schema: textSchema})}
	needKeys = keyTable{name: "a need", keys: []key{
		{name: "flow", doc: "The flow that brings the record.", required: true, schema: nameSchema},
		{name: "id", doc: "An expression: the id of that flow's source record. With `reverse`, of its target record.", required: true, schema: expressionSchema},
		{name: "reverse", doc: "Look from the target back to the source. Such a need is optional: nothing can be run for it.", schema: schema{"type": "boolean"}},
		{name: "optional", doc: "Go on without it, as `''`. Default `false`: its flow is run first.", schema: schema{"type": "boolean"}},
	}}
	policyKeys = keyTable{name: "policy", keys: []key{
		{name: "refunds", doc: "`credit_note` or `reopen`: what a refund becomes in the books.", schema: expressionSchema},
		{name: "locked_period", doc: "`next_open_day` or `person`: what becomes of a payment dated in a locked period.", schema: expressionSchema},
	}}
	testKeys = keyTable{name: "a test", keys: []key{
		{name: "name", doc: "What it shows.", required: true, schema: textSchema},
		{name: "flow", doc: "The flow that it tests.", required: true, schema: nameSchema},
		{name: "params", doc: "Parameter values; the others have their defaults.", schema: schema{"type": "object", "additionalProperties": scalarSchema}},
		{name: "first_run", doc: "The day of the first run. Default `2026-01-01`.", schema: textSchema},
		{name: "from", doc: "The source's end.", schema: refTo("side")},
		{name: "to", doc: "The target's end.", schema: refTo("side")},
		{name: "record", doc: "The source record: `id`, `version`, `updated_at`, `gone`, and the body under the entity's name.", schema: refTo("record")},
		{name: "linked", doc: "Whether the record has a target already. Default `false`.", schema: schema{"type": "boolean"}},
		{name: "target_id", doc: "Its id there; implies `linked`.", schema: scalarSchema},
		{name: "agreed", doc: "The fields that both sides last agreed on, of a flow with an inverse; implies `linked`.", schema: schema{"type": "object"}},
		{name: "there", doc: "The target's record as it is now, as `record`. Default: as agreed.", schema: refTo("record")},
		{name: "needs", doc: "What the needs resolve to, by name.", schema: schema{"type": "object", "additionalProperties": scalarSchema}},
		{name: "want", doc: "Expected: the wanted record under its entity's name, and `policy`. Only the fields that are listed are compared; an empty one must be unset.", schema: refTo("want")},
		{name: "skip", doc: "Expected: skipped, with this in the reason.", schema: textSchema},
		{name: "hold", doc: "Expected: held, with this in the reason or the remedy.", schema: textSchema},
		{name: "nothing", doc: "Expected, with `agreed`: nothing is to be written, with this among the reasons; `''` for any.", schema: textSchema},
		{name: "waits_for", doc: "Expected: waits for this need.", schema: textSchema},
		{name: "expand", doc: "Expected: exactly these ids are brought along.", schema: scalarsSchema},
		{name: "sweep", doc: "Expected: whether the flow's sweeps look at the record again.", schema: schema{"type": "boolean"}},
		{name: "records", doc: "Expected: exactly these records are concerned; the test's record is of an `also` entity.", schema: scalarsSchema},
		{name: "side", doc: "With `records`: the end whose record the test's is, as in the `also` rule. Default `from`.", schema: schema{"enum": []string{sideFrom, sideTo}}},
		{name: "enabled", doc: "Expected: whether changes start the flow.", schema: schema{"type": "boolean"}},
	}}
	sideKeys = keyTable{name: "an end", keys: []key{
		{name: "connection", doc: "The connection's name. Default: the recipe's own name for it.", schema: textSchema},
		{name: "account", doc: "The account that it is bound to.", schema: textSchema},
	}}
)
