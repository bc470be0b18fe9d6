import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { listen } from './listener.js';
import {
  errorOf,
  greeting,
  IN_TRANSACTION,
  login,
  OK,
  PacketReader,
  readAnswer,
  type Credentials,
} from './mysql/packets.js';

/**
 * What becomes of a client's session when its next statement runs on another connection to the server.
 *
 * - `forgets`: nothing of it is there. No proxy of note is as bad, but some settings of them are.
 * - `tracks`: as ProxySQL: its SET statements are run there first, and GET_LOCK keeps a client on its connection.
 * - `tracks-settings-only`: the same, but for GET_LOCK.
 */
export type Multiplexing = 'forgets' | 'tracks' | 'tracks-settings-only';

export interface MultiplexingProxy {
  readonly port: number;
  /** How often a client's statement ran on another connection than the one before. */
  readonly switches: number;
  close(): Promise<void>;
}

export interface MultiplexingOptions {
  readonly multiplexing: Multiplexing;
  /** Connections to the server, for all clients together. */
  readonly backends: number;
  /** Statements that the proxy answers itself, with this error. */
  readonly refuse?: (sql: string) => { number: number; message: string } | undefined;
}

interface Backend {
  readonly link: PacketReader;
  user: Client | undefined;
  last: Client | undefined;
  /** How many of its last client's SET statements have run here. */
  sets: number;
}

interface Client {
  readonly link: PacketReader;
  readonly sets: Buffer[];
  pinned: Backend | undefined;
  locks: boolean;
  before: Backend | undefined;
}

const COM_QUIT = 0x01;
const COM_PING = 0x0e;
const COM_RESET_CONNECTION = 0x1f;

/**
 * Stands before MySQL as ProxySQL and RDS Proxy do: many clients share a few connections to the server. Outside of a
 * transaction each statement runs on the connection that was idle longest; inside of one on the connection it began on.
 */
export async function startMultiplexingProxy(
  upstream: { host: string; port: number },
  credentials: Credentials,
  { multiplexing, backends: count, refuse = () => undefined }: MultiplexingOptions,
): Promise<MultiplexingProxy> {
  const idle = await Promise.all(
    Array.from({ length: count }, () => openBackend(upstream, credentials)),
  );
  const all = [...idle];
  const waiting: ((backend: Backend) => void)[] = [];
  const clients = new Set<Client>();
  let switches = 0;
  let ids = 4_000_000;

  const take = async (client: Client): Promise<Backend> => {
    if (client.pinned) return client.pinned;
    const backend =
      idle.shift() ?? (await new Promise<Backend>((resolve) => waiting.push(resolve)));
    if (multiplexing !== 'forgets') await restore(backend, client);
    backend.last = client;
    if (client.before && client.before !== backend) switches += 1;
    client.before = backend;
    return backend;
  };
  const giveBack = (backend: Backend) => {
    const next = waiting.shift();
    if (next) next(backend);
    else idle.push(backend);
  };
  const serve = async (client: Client) => {
    client.link.send(0, greeting((ids += 1)));
    await client.link.next();
    client.link.send(2, OK);
    for (;;) {
      const { body } = await client.link.next();
      const command = body.readUInt8(0);
      if (command === COM_QUIT) return;
      if (command === COM_PING) {
        client.link.send(1, OK);
        continue;
      }
      const text = body.toString('latin1', 1);
      const refused = refuse(text);
      if (refused) {
        client.link.send(1, errorOf(refused));
        continue;
      }
      if (/^\s*SET\b/i.test(text)) client.sets.push(Buffer.from(body));
      if (/\bGET_LOCK\(/i.test(text)) client.locks = true;
      if (/\bRELEASE_LOCK\(/i.test(text)) client.locks = false;
      const backend = await take(client);
      client.pinned = backend;
      backend.link.send(0, body);
      const status = await readAnswer(backend.link, ({ sequence, body: answer }) => {
        client.link.send(sequence, answer);
      });
      // An error carries no status: a transaction, if there is one, goes on.
      const inTransaction =
        status === undefined ? backend.user === client : (status & IN_TRANSACTION) !== 0;
      backend.user = inTransaction ? client : undefined;
      if (inTransaction || (multiplexing === 'tracks' && client.locks)) continue;
      client.pinned = undefined;
      giveBack(backend);
    }
  };

  const server = createServer((socket) => {
    const client: Client = {
      link: new PacketReader(socket),
      sets: [],
      pinned: undefined,
      locks: false,
      before: undefined,
    };
    clients.add(client);
    void serve(client)
      .catch(() => undefined)
      .then(async () => {
        clients.delete(client);
        client.link.close();
        if (!client.pinned) return;
        client.pinned.user = undefined;
        await ask(client.pinned, Buffer.from([COM_RESET_CONNECTION]));
        client.pinned.last = undefined;
        giveBack(client.pinned);
      })
      .catch(() => undefined);
  });
  const listener = await listen(server);
  return {
    port: listener.port,
    get switches() {
      return switches;
    },
    close: async () => {
      await listener.refuse();
      for (const { link } of [...clients, ...all]) link.close();
    },
  };
}

async function openBackend(
  upstream: { host: string; port: number },
  credentials: Credentials,
): Promise<Backend> {
  const socket = createConnection(upstream);
  const link = new PacketReader(socket);
  await once(socket, 'connect');
  const { body } = await link.next();
  link.send(1, login(body, credentials));
  const answer = await link.next();
  if (answer.body.readUInt8(0) !== 0) throw new Error(answer.body.toString('latin1'));
  return { link, user: undefined, last: undefined, sets: 0 };
}

/** The session of this client, and nothing of the one before. */
async function restore(backend: Backend, client: Client): Promise<void> {
  if (backend.last !== client) {
    await ask(backend, Buffer.from([COM_RESET_CONNECTION]));
    backend.sets = 0;
  }
  for (const set of client.sets.slice(backend.sets)) await ask(backend, set);
  backend.sets = client.sets.length;
}

async function ask({ link }: Backend, command: Buffer): Promise<void> {
  link.send(0, command);
  await readAnswer(link, () => undefined);
}
