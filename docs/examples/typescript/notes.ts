// ml-connector-plugin-notes is a connector in TypeScript. Its "service" is one
// JSON file of contacts in a folder, which it writes itself: every change has the
// next number, and the cursor of a list is such a number.
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import type { Contact__Output as Contact } from './gen/connector/v1/Contact';
import type { ListRequest__Output as ListRequest } from './gen/connector/v1/ListRequest';
import type { ListResponse } from './gen/connector/v1/ListResponse';
import type { Outcome } from './gen/connector/v1/Outcome';
import type { Record as WireRecord } from './gen/connector/v1/Record';
import type { Session__Output as Session } from './gen/connector/v1/Session';
import type { SubscribeRequest__Output as SubscribeRequest } from './gen/connector/v1/SubscribeRequest';
import type { SubscribeResponse } from './gen/connector/v1/SubscribeResponse';
import type { Write__Output as Write } from './gen/connector/v1/Write';
import { type Connector, Failure, serve, wireError } from './plugin';

const fileBytesMax = 16 << 20; // some ten thousand contacts; all of it is in memory during a call

interface Note {
  id: string;
  seq: number; // of its last change
  changed: number; // milliseconds since 1970
  contact: Contact;
}

interface Book {
  id: string; // another one when the file was made anew
  seq: number; // of the last change
  notes: Note[];
}

// fileOf is the path of a connection's file. Settings come with each call.
function fileOf(session: Session | null): string {
  const folder = session?.settings.folder ?? '';
  if (!isAbsolute(folder)) {
    throw new Failure('ERROR_KIND_INVALID', 'notes', 'no folder is set, or no whole path', "set the connection's folder");
  }
  return join(folder, 'notes.json');
}

// onDisk runs an action on the file system and says what the host should do
// about its error.
function onDisk<T>(op: string, act: () => T): T {
  try {
    return act();
  } catch (err) {
    const code = (err as NodeJS.ErrnoException).code;
    if (code === undefined) {
      throw err; // none of the file system
    }
    const remedy = "check the connection's folder";
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new Failure('ERROR_KIND_INVALID', op, `the folder is not there (${code})`, remedy);
    }
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
      throw new Failure('ERROR_KIND_AUTH', op, `the folder may not be used (${code})`, remedy);
    }
    throw new Failure('ERROR_KIND_UNAVAILABLE', op, `the file system refuses (${code})`);
  }
}

function read(session: Session | null): Book {
  const op = 'notes: read';
  const file = fileOf(session);
  const text = onDisk(op, () => {
    statSync(join(file, '..')); // a folder that is missing is not an empty one
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size !== undefined && size > fileBytesMax) {
      throw new Failure('ERROR_KIND_INVALID', op, `notes.json is larger than ${fileBytesMax} bytes`);
    }
    return size === undefined ? '' : readFileSync(file, 'utf8');
  });
  if (text === '') {
    return { id: randomUUID(), seq: 0, notes: [] };
  }
  try {
    const book = JSON.parse(text) as Book;
    if (typeof book.id === 'string' && Number.isSafeInteger(book.seq) && Array.isArray(book.notes)) {
      return book;
    }
  } catch {
    // no JSON: said below
  }
  throw new Failure('ERROR_KIND_INVALID', op, 'notes.json is not what this connector has written', 'restore the file, or move it away');
}

// write puts the file in place by a rename: after a crash there is the old one
// or the new one.
function write(session: Session | null, book: Book): void {
  const file = fileOf(session);
  onDisk('notes: write', () => {
    const fd = openSync(`${file}.tmp`, 'w', 0o600);
    try {
      writeFileSync(fd, JSON.stringify(book, null, 1));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(`${file}.tmp`, file);
  });
}

function time(ms: number): { seconds: string; nanos: number } {
  return { seconds: String(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}

function record(n: Note): WireRecord {
  return { entity: 'ENTITY_CONTACT', id: n.id, version: String(n.seq), updated_at: time(n.changed), contact: n.contact };
}

// only lets the one entity through that there is.
function only(entity: string | number, op: string): void {
  if (entity !== 'ENTITY_CONTACT') {
    throw new Failure('ERROR_KIND_INVALID', op, 'there are only contacts');
  }
}

function list(req: ListRequest): ListResponse {
  only(req.entity, 'notes: list');
  const book = read(req.session);
  const [id, seq] = req.cursor.split('@');
  const after = id === book.id ? Number(seq) : 0; // the cursor of another file: tell everything
  const since = req.cursor === '' && req.since ? Number(req.since.seconds) * 1000 + Math.floor(req.since.nanos / 1_000_000) : 0;
  const news = book.notes.filter((n) => n.seq > after && n.changed >= since).sort((a, b) => a.seq - b.seq);
  const page = news.slice(0, Math.max(req.page_size, 1));
  const more = page.length < news.length;
  return { records: page.map(record), next_cursor: `${book.id}@${more ? page.at(-1)!.seq : book.seq}`, more };
}

type Fields = { [name: string]: unknown };

// merged lays what is wanted over what is there. An empty field of a write means
// that it is left alone.
function merged(now: Fields, wanted: Fields, depth = 2): Fields {
  const out = { ...now };
  for (const [name, v] of Object.entries(wanted)) {
    if (v !== '' && v !== null) {
      out[name] = typeof v === 'object' && depth > 1 ? merged((now[name] ?? {}) as Fields, v as Fields, depth - 1) : v;
    }
  }
  return out;
}

// put makes the book hold what one write wants. A new note is named after the
// idempotency key, so a write that is sent again finds its own note.
function put(book: Book, w: Write): Outcome {
  const op = 'notes: upsert';
  const wanted = w.record?.contact;
  only(w.record?.entity ?? '', op);
  if (w.key === '' || !wanted || w.record?.gone) {
    throw new Failure('ERROR_KIND_INVALID', op, 'a write needs a key and a contact, and takes none away');
  }
  if (typeof wanted.status === 'number') {
    throw new Failure('ERROR_KIND_INVALID', op, `the contact's status ${wanted.status} is not known here`);
  }
  const id = w.target_id || w.key;
  const now = book.notes.find((n) => n.id === id);
  if (!now && w.target_id !== '') {
    throw new Failure('ERROR_KIND_NOT_FOUND', op, `there is no note ${id}`);
  }
  const status = wanted.status === 'CONTACT_STATUS_UNSPECIFIED' ? '' : wanted.status;
  const contact = merged({ ...now?.contact }, { ...wanted, status }) as unknown as Contact;
  if (now && isDeepStrictEqual(now.contact, contact)) {
    return { result: 'OUTCOME_RESULT_UNCHANGED', id, record: record(now) };
  }
  const note = { id, seq: ++book.seq, changed: Date.now(), contact };
  book.notes = [...book.notes.filter((n) => n !== now), note];
  return { result: now ? 'OUTCOME_RESULT_UPDATED' : 'OUTCOME_RESULT_CREATED', id, record: record(note) };
}

const signedWithinMs = 5 * 60 * 1000;
const eventsMax = 1000;

function refused(reason: string): SubscribeResponse {
  return { verdict: 'VERDICT_REFUSED', reason };
}

// verify accepts a delivery that was signed with one of our keys just now, in the
// header Notes-Signature: "t=1767225600,v1=HEX", where HEX is the HMAC-SHA256 of
// "1767225600." and the body {"contacts":["ID"]}.
function verify(req: SubscribeRequest): SubscribeResponse {
  if (!req.delivery) {
    throw new Failure('ERROR_KIND_INVALID', 'notes: subscribe', 'this connector cannot create webhooks');
  }
  const { headers, body, received_at: received } = req.delivery;
  const keys = (req.session?.secrets.webhook_key ?? '').split(',').map((k) => k.trim()).filter((k) => k !== '');
  if (keys.length === 0) {
    return { verdict: 'VERDICT_NOT_CONFIGURED', reason: 'no webhook_key is set' };
  }
  const [, at, hex] = /^t=(\d{1,11}),v1=([0-9a-f]{64})$/.exec(headers['Notes-Signature'] ?? '') ?? [];
  if (at === undefined || hex === undefined) {
    return refused('the header Notes-Signature is missing or wrong');
  }
  const genuine = (key: string) => timingSafeEqual(createHmac('sha256', key).update(`${at}.`).update(body).digest(), Buffer.from(hex, 'hex'));
  if (!keys.some(genuine)) {
    return refused('the signature is wrong');
  }
  if (Math.abs(Number(received?.seconds ?? 0) - Number(at)) * 1000 > signedWithinMs) {
    return refused('it was not signed just now');
  }
  let ids: unknown;
  try {
    ids = JSON.parse(body.toString('utf8')).contacts;
  } catch {
    return refused('the body is not JSON');
  }
  if (!Array.isArray(ids) || ids.length > eventsMax || !ids.every((v) => typeof v === 'string' && v !== '')) {
    return refused('the body names no contacts, or too many');
  }
  return {
    verdict: 'VERDICT_ACCEPTED',
    events: ids.map((id: string) => ({
      entity: 'ENTITY_CONTACT', id, kind: 'EVENT_KIND_UPDATED', occurred_at: time(Number(at) * 1000),
      dedupe_key: `${id}@${at}`, account_id: req.session?.account_id,
    })),
  };
}

const notes: Connector = {
  manifest: {
    name: 'notes', title: 'Notes', version: '0.1.0', summary: 'Contacts in a JSON file.',
    settings: [
      { name: 'folder', type: 'SETTING_TYPE_TEXT', required: true, help: 'Folder that holds notes.json, as a whole path; it must exist' },
      { name: 'webhook_key', type: 'SETTING_TYPE_TEXT', secret: true, help: 'Key that webhooks are signed with; several are separated by commas. Empty: webhooks are refused' },
    ],
    entities: [{
      entity: 'ENTITY_CONTACT', verbs: ['VERB_LIST', 'VERB_GET', 'VERB_UPSERT', 'VERB_SUBSCRIBE'],
      get_batch: 100, upsert_batch: 20, page_size: 100, lists_whole: true,
    }],
    receives_webhooks: true,
  },
  check(req) {
    read(req.session);
    const folder = req.session?.settings.folder ?? '';
    return { account: { id: folder, name: basename(folder) } };
  },
  list,
  get(req) {
    only(req.entity, 'notes: get');
    return { records: read(req.session).notes.filter((n) => req.ids.includes(n.id)).map(record) };
  },
  upsert(req) {
    only(req.entity, 'notes: upsert');
    const book = read(req.session);
    const before = book.seq;
    const outcomes = req.writes.map((w): Outcome => {
      try {
        return put(book, w);
      } catch (err) {
        return { error: wireError(err, 'notes: upsert') }; // the other writes go on
      }
    });
    if (book.seq !== before) {
      write(req.session, book); // nothing waits between read and write, so no call comes between
    }
    return { outcomes };
  },
  subscribe: verify,
};

void serve(notes);
