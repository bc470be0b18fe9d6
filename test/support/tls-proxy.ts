import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createCertificates } from '../../sandbox/certificates.js';

export interface TlsProxyOptions {
  /** Where it passes requests on to: an `http://` URL. */
  readonly target: string;
  /** Everything without these credentials gets Elasticsearch's 401. */
  readonly requireAuth?:
    { readonly username: string; readonly password: string } | { readonly apiKey: string };
}

export interface TlsProxy {
  /** `https://localhost:PORT` */
  readonly url: string;
  /** PEM of the authority that signed the proxy's certificate. */
  readonly caFile: string;
  /** PEM of another authority of the same name, which did not. */
  readonly otherCaFile: string;
  /** How many requests arrived so far, refused ones included. */
  readonly requests: number;
  /** How many of them were refused. */
  readonly refused: number;
  close(): Promise<void>;
}

/** Puts TLS, and credentials if asked for, before a server that has neither. */
export async function startTlsProxy(options: TlsProxyOptions): Promise<TlsProxy> {
  const directory = await mkdtemp(join(tmpdir(), 'es-migrate-tls-proxy-'));
  const [own, other] = await Promise.all([
    createCertificates(join(directory, 'own')),
    createCertificates(join(directory, 'other')),
  ]);
  const wanted = options.requireAuth && authorization(options.requireAuth);
  let requests = 0;
  let refused = 0;
  const [cert, key] = await Promise.all([readFile(own.certFile), readFile(own.keyFile)]);
  const server = createServer({ cert, key }, (incoming, response) => {
    requests++;
    if (wanted === undefined || incoming.headers.authorization === wanted) {
      passOn(options.target, incoming, response);
    } else {
      refused++;
      refuse(incoming, response);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    caFile: own.caFile,
    otherCaFile: other.caFile,
    get requests() {
      return requests;
    },
    get refused() {
      return refused;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function authorization(auth: NonNullable<TlsProxyOptions['requireAuth']>): string {
  if ('apiKey' in auth) return `ApiKey ${auth.apiKey}`;
  const { username, password } = auth;
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function passOn(target: string, incoming: IncomingMessage, response: ServerResponse): void {
  const { method, headers } = incoming;
  // The raw path: a URL object would tidy it up.
  const outgoing = forward(target, { path: incoming.url, method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    pipeline(answer, response).catch(() => response.destroy());
  });
  pipeline(incoming, outgoing).catch(() => response.destroy());
}

/** As Elasticsearch's security answers, its product header included. */
function refuse(incoming: IncomingMessage, response: ServerResponse): void {
  incoming.resume();
  const reason = incoming.headers.authorization
    ? `unable to authenticate user for REST request [${incoming.url ?? ''}]`
    : `missing authentication credentials for REST request [${incoming.url ?? ''}]`;
  const type = 'security_exception';
  response.writeHead(401, {
    'content-type': 'application/json',
    'x-elastic-product': 'Elasticsearch',
    'www-authenticate': 'Basic realm="security", charset="UTF-8", ApiKey',
  });
  response.end(
    JSON.stringify({ error: { root_cause: [{ type, reason }], type, reason }, status: 401 }),
  );
}

/** A value that fits as API key, different each time. */
export function randomApiKey(): string {
  return Buffer.from(
    `${randomBytes(8).toString('hex')}:${randomBytes(8).toString('hex')}`,
  ).toString('base64');
}
