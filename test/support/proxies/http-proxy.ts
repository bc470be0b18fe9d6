import {
  createServer,
  request as forward,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { listen } from './listener.js';

/** A request as it arrived, before its body. */
export interface Seen {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** When it arrived, by performance.now(). */
  readonly at: number;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** What becomes of one request. */
export type Action =
  | { readonly do: 'pass' }
  /** The proxy answers in the server's place, once the request has been read. */
  | ({ readonly do: 'answer' } & Answer)
  /** The connection is reset after this many bytes of the request's body went on to the server. */
  | { readonly do: 'reset-request'; readonly afterBytes: number }
  /** The server gets the whole request and answers; the client sees a reset in the answer's place. */
  | { readonly do: 'reset-answer' }
  /** The answer's headers and this share of its body, then a reset. */
  | { readonly do: 'reset-mid-answer'; readonly share: number }
  /** The answer's headers and half of its body, then nothing any more. */
  | { readonly do: 'stall-mid-answer' }
  /** The server's answer, changed; its content-length fits what is sent. */
  | { readonly do: 'change'; readonly change: (body: Buffer) => Answer }
  /** One byte in the middle of the request's body arrives as another. */
  | { readonly do: 'damage-request' }
  | { readonly do: 'delay'; readonly ms: number }
  /** Read, and never answered. */
  | { readonly do: 'hold' };

/** Decides; undefined lets the request pass. */
export type Rule = (seen: Seen) => Action | undefined;

export interface HttpProxy {
  readonly url: string;
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly Seen[];
  /** How many of them have not been answered to the end. */
  readonly inFlight: number;
  /** How many of them did not simply pass. */
  readonly troubled: number;
  /** Replaces the rule, for requests that come from now on. */
  use(rule: Rule): void;
  /** The port is closed, and every connection reset. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

/** Stands before a real server. */
export async function startHttpProxy(upstream: string, first?: Rule): Promise<HttpProxy> {
  const requests: Seen[] = [];
  let rule: Rule = first ?? (() => undefined);
  let troubled = 0;
  let inFlight = 0;
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming;
    const seen = { method, url, headers, at: performance.now() };
    requests.push(seen);
    inFlight += 1;
    outgoing.once('close', () => (inFlight -= 1));
    const action = rule(seen) ?? { do: 'pass' };
    if (action.do !== 'pass') troubled += 1;
    perform(action, upstream, incoming, outgoing).catch(() => reset(incoming));
  });
  const listener = await listen(server);
  const down = async () => {
    await listener.refuse();
    server.closeAllConnections();
  };
  return {
    url: `http://127.0.0.1:${listener.port}`,
    requests,
    get inFlight() {
      return inFlight;
    },
    get troubled() {
      return troubled;
    },
    use: (other) => (rule = other),
    down,
    up: () => listener.accept(),
    close: down,
  };
}

async function perform(
  action: Action,
  upstream: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  switch (action.do) {
    case 'answer':
      await read(incoming);
      send(outgoing, action);
      return;
    case 'hold':
      await read(incoming);
      return;
    case 'delay':
      await delay(action.ms);
      return pass(await ask(upstream, incoming), outgoing);
    case 'pass':
      return pass(await ask(upstream, incoming), outgoing);
    case 'reset-request':
      await ask(upstream, incoming, resettingAfter(action.afterBytes, incoming));
      return;
    case 'damage-request':
      return pass(await ask(upstream, incoming, damaging(incoming)), outgoing);
    case 'reset-answer':
      await read(await ask(upstream, incoming));
      reset(incoming);
      return;
    case 'reset-mid-answer':
      await sendPart(await ask(upstream, incoming), outgoing, action.share);
      reset(incoming);
      return;
    case 'stall-mid-answer':
      await sendPart(await ask(upstream, incoming), outgoing, 0.5);
      return;
    case 'change': {
      const answer = await ask(upstream, incoming);
      const changed = action.change(await read(answer));
      send(outgoing, { ...changed, headers: { ...flat(answer.headers), ...changed.headers } });
      return;
    }
  }
}

/** Sends the request on, its body through `change`, and gives the answer. */
function ask(
  upstream: string,
  incoming: IncomingMessage,
  change?: Transform,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method, headers } = incoming;
    const onwardHeaders = { ...headers };
    // Node has answered 100-continue itself by now; and answers must come uncompressed to be cut.
    delete onwardHeaders.expect;
    delete onwardHeaders['accept-encoding'];
    // The raw path: a URL object would tidy it up.
    const onward = forward(upstream, { path: incoming.url, method, headers: onwardHeaders });
    onward.on('response', resolve).on('error', reject);
    const sent = change ? pipeline(incoming, change, onward) : pipeline(incoming, onward);
    sent.catch(() => {
      onward.destroy();
      reject(new Error('the request was not sent on to its end'));
    });
  });
}

async function pass(answer: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  await pipeline(answer, outgoing);
}

function send(outgoing: ServerResponse, { status, headers, body = '' }: Answer): void {
  const length = Buffer.byteLength(body);
  outgoing.writeHead(status, { ...withoutLength(headers ?? {}), 'content-length': length });
  outgoing.end(body);
}

/** Headers that promise the whole body, and a share of it. */
async function sendPart(
  answer: IncomingMessage,
  outgoing: ServerResponse,
  share: number,
): Promise<void> {
  const body = await read(answer);
  const headers = { ...withoutLength(answer.headers), 'content-length': body.length };
  outgoing.writeHead(answer.statusCode ?? 502, headers);
  const part = body.subarray(0, Math.floor(body.length * share));
  await new Promise<void>((resolve) => outgoing.write(part, () => resolve()));
}

async function read(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** RST instead of a proper end: what a crashed peer or a firewall looks like. */
function reset(incoming: IncomingMessage): void {
  // Gone where it was reset before.
  const socket = incoming.socket as IncomingMessage['socket'] | null;
  socket?.resetAndDestroy();
}

function resettingAfter(bytes: number, incoming: IncomingMessage): Transform {
  let passed = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      passed += chunk.length;
      if (passed <= bytes) {
        done(null, chunk);
        return;
      }
      reset(incoming);
      done(new Error('reset by the proxy'));
    },
  });
}

function damaging(incoming: IncomingMessage): Transform {
  const middle = Math.floor(Number(incoming.headers['content-length']) / 2);
  let passed = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      const at = middle - passed;
      passed += chunk.length;
      if (at >= 0 && at < chunk.length) chunk[at] = (chunk[at] ?? 0) ^ 0x01;
      done(null, chunk);
    },
  });
}

function withoutLength(headers: Readonly<Record<string, string | string[] | undefined>>) {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(content-length|transfer-encoding)$/i.test(name)),
  );
}

function flat(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]),
  );
}
