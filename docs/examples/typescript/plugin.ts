// What makes a plugin of ml-connector out of a connector, and is the same for
// every connector: the handshake of go-plugin, TLS on both sides, the services
// that the host expects beside ours, and errors that keep their kind.
//
// Standard output belongs to the handshake. Log to standard error, by `log`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import * as loader from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { generate } from 'selfsigned';

import contract from '../../../proto/connector/v1/connector.proto';
import type { CheckRequest__Output as CheckRequest } from './gen/connector/v1/CheckRequest';
import type { CheckResponse } from './gen/connector/v1/CheckResponse';
import type { Error as WireError } from './gen/connector/v1/Error';
import type { ErrorKind } from './gen/connector/v1/ErrorKind';
import type { GetRequest__Output as GetRequest } from './gen/connector/v1/GetRequest';
import type { GetResponse } from './gen/connector/v1/GetResponse';
import type { ListRequest__Output as ListRequest } from './gen/connector/v1/ListRequest';
import type { ListResponse } from './gen/connector/v1/ListResponse';
import type { Manifest } from './gen/connector/v1/Manifest';
import type { SubscribeRequest__Output as SubscribeRequest } from './gen/connector/v1/SubscribeRequest';
import type { SubscribeResponse } from './gen/connector/v1/SubscribeResponse';
import type { UpsertRequest__Output as UpsertRequest } from './gen/connector/v1/UpsertRequest';
import type { UpsertResponse } from './gen/connector/v1/UpsertResponse';

type Answer<T> = T | Promise<T>;

// A Connector answers the calls of the contract. What it throws becomes the
// call's error.
export interface Connector {
  readonly manifest: Manifest;
  check(request: CheckRequest): Answer<CheckResponse>;
  list(request: ListRequest): Answer<ListResponse>;
  get(request: GetRequest): Answer<GetResponse>;
  upsert(request: UpsertRequest): Answer<UpsertResponse>;
  subscribe(request: SubscribeRequest): Answer<SubscribeResponse>;
}

// Failure is an error whose kind tells the host what to do next. Message and
// remedy may be shown to people and hold no secret.
export class Failure extends Error {
  constructor(
    readonly kind: keyof typeof ErrorKind,
    readonly op: string,
    message: string,
    readonly remedy = '',
  ) {
    super(message);
  }
}

// An error travels in HTTP/2 headers, whose size is limited.
const errorTextCharsMax = 1000;

// wireError is the error as the contract has it. What is not a Failure is a
// slip of ours: nobody knows what it did, and its text stays in the log.
export function wireError(err: unknown, op: string): WireError {
  if (err instanceof Failure) {
    const [message, remedy] = [err.message, err.remedy].map((s) => s.slice(0, errorTextCharsMax).toWellFormed());
    return { kind: err.kind, op: err.op, message, remedy };
  }
  log('error', `${op}: ${err instanceof Error ? err.stack : 'something was thrown that is no error'}`);
  return { kind: 'ERROR_KIND_UNKNOWN_OUTCOME', op, message: 'the connector crashed' };
}

// log writes a line for the host's log, in the form of hclog.
export function log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void {
  process.stderr.write(`${JSON.stringify({ '@level': level, '@message': message })}\n`);
}

const options: loader.Options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const messageBytesMax = 64 << 20; // as on the host's side

// What go-plugin and gRPC bring along, as far as the host uses it.
const beside = [
  `syntax = "proto3"; package plugin;
   message Empty {}
   service GRPCController { rpc Shutdown(Empty) returns (Empty); }`,
  `syntax = "proto3"; package grpc.health.v1;
   message HealthCheckRequest { string service = 1; }
   message HealthCheckResponse {
     enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
     ServingStatus status = 1;
   }
   service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }`,
  `syntax = "proto3"; package google.rpc;
   message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }`,
];

const root = new protobuf.Root();
for (const name of ['any', 'duration', 'timestamp']) {
  root.addJSON(protobuf.common.get(`google/protobuf/${name}.proto`)!.nested!);
}
for (const text of [contract, ...beside]) {
  protobuf.parse(text, root, { keepCase: true });
}
const wire = loader.fromJSON(root.toJSON(), options);
const service = (name: string) => wire[name] as grpc.ServiceDefinition;

const statusType = root.lookupType('google.rpc.Status');
const errorType = root.lookupType('connector.v1.Error');

// statusOf is the gRPC status with our error as its detail. Without the detail
// the host would not know the kind.
function statusOf(err: unknown, op: string): Partial<grpc.ServiceError> {
  const e = wireError(err, op);
  const code = grpc.status.FAILED_PRECONDITION;
  const details = `${e.op}: ${e.message}`;
  const detail = { type_url: 'type.googleapis.com/connector.v1.Error', value: errorType.encode(errorType.fromObject(e)).finish() };
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(statusType.encode({ code, message: details, details: [detail] }).finish()));
  return { code, details, metadata };
}

function answering<In, Out>(op: string, act: (request: In) => Answer<Out>): grpc.handleUnaryCall<In, Out> {
  return async (call, callback) => {
    let answer: Out;
    try {
      answer = await act(call.request);
    } catch (err) {
      callback(statusOf(err, op));
      return;
    }
    callback(null, answer);
  };
}

// certificate makes the plugin's own. The host checks the name, and trusts this
// certificate only, because it came by the handshake.
async function certificate(): Promise<{ cert: string; private: string }> {
  const years = new Date();
  years.setFullYear(years.getFullYear() + 30); // as go-plugin does: a plugin may run for long
  return generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec', curve: 'P-256', algorithm: 'sha256', notAfterDate: years,
  });
}

function refuse(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

const hostEveryMs = 1000;
const shutdownMs = 1000; // the host kills after two seconds

// serve runs until the host ends it or is gone. It is the whole of a plugin's main.
export async function serve(c: Connector): Promise<void> {
  if (process.env.ML_CONNECTOR_PLUGIN !== 'd3b0a1f6-connector') {
    refuse('This is a plugin of ml-connector, which starts it. Put it into the plugins folder.');
  }
  if (!(process.env.PLUGIN_PROTOCOL_VERSIONS ?? '').split(',').includes('1')) {
    refuse(`The host speaks protocol versions ${process.env.PLUGIN_PROTOCOL_VERSIONS}, this plugin speaks 1.`);
  }
  const hostCert = process.env.PLUGIN_CLIENT_CERT ?? refuse('The host sent no certificate.');
  const own = await certificate();

  const server = new grpc.Server({
    'grpc.max_receive_message_length': messageBytesMax, 'grpc.max_send_message_length': messageBytesMax,
  });
  server.addService(service('connector.v1.Connector'), {
    Describe: answering('describe', () => ({ manifest: c.manifest })),
    Check: answering('check', (r: CheckRequest) => c.check(r)),
    List: answering('list', (r: ListRequest) => c.list(r)),
    Get: answering('get', (r: GetRequest) => c.get(r)),
    Upsert: answering('upsert', (r: UpsertRequest) => c.upsert(r)),
    Subscribe: answering('subscribe', (r: SubscribeRequest) => c.subscribe(r)),
  });
  server.addService(service('grpc.health.v1.Health'), { Check: answering('health', () => ({ status: 'SERVING' })) });
  server.addService(service('plugin.GRPCController'), {
    Shutdown: answering('shutdown', () => {
      server.tryShutdown(() => process.exit(0)); // the answer and calls in flight are still sent
      setTimeout(() => process.exit(0), shutdownMs);
      return {};
    }),
  });

  const folder = mkdtempSync(join(process.env.PLUGIN_UNIX_SOCKET_DIR || tmpdir(), 'plugin-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  process.on('SIGINT', () => {}); // Ctrl-C in the host's terminal reaches us too: the host ends us when it is done
  const host = process.ppid;
  setInterval(() => process.ppid === host || process.exit(1), hostEveryMs); // a host that was killed cannot end us

  const socket = join(folder, 'socket');
  const pair = { cert_chain: Buffer.from(own.cert), private_key: Buffer.from(own.private) };
  const mutual = grpc.ServerCredentials.createSsl(Buffer.from(hostCert), [pair], true); // true: only the host may call
  await new Promise<void>((done, fail) => server.bindAsync(`unix:${socket}`, mutual, (err) => (err ? fail(err) : done())));
  // The host wants the certificate's DER in base64 on one line, without padding.
  const der = own.cert.replace(/-----[A-Z ]+-----|\s/g, '').replace(/=+$/, '');
  process.stdout.write(`1|1|unix|${socket}|grpc|${der}\n`);
}
