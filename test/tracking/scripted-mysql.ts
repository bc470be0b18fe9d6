import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContextOptions } from 'node:tls';
import { onTestFinished } from 'vitest';

const CAPABILITIES = {
  base: 0x8000 | 0x2000 | 0x200 | 0x80 | 0x8 | 0x1,
  ssl: 0x800,
  plugins: 0x80000,
};
export const LOCAL_FILES = 0x80;

export interface ScriptedOptions {
  /** It offers TLS with these. */
  readonly tls?: SecureContextOptions;
  /** The plugin it asks for with an auth switch; without, it lets everybody in. */
  readonly plugin?: 'mysql_clear_password' | 'sha256_password' | 'caching_sha2_password';
  /** It lets nobody in, says so, and does not hang up. */
  readonly refuses?: boolean;
  /** What it answers each statement with. */
  readonly answer?: Buffer;
}

export interface ScriptedMysql {
  readonly port: number;
  /** Every packet it was sent, without its header, of all connections. */
  readonly packets: readonly Buffer[];
  /** The password, where it was sent in a form that the server can read. */
  readonly learned: readonly string[];
  /** Whether a TLS handshake came to its end. */
  readonly secured: number;
  /** Resolves when every connection has been closed by its client. */
  left(): Promise<unknown>;
}

const SCRAMBLE = Buffer.from('abcdefghijklmnopqrst');
const ACCESS_DENIED = Buffer.concat([
  Buffer.from([0xff, 1045 & 0xff, 1045 >> 8]),
  Buffer.from('#28000Access denied'),
]);
const OK = Buffer.from([0, 0, 0, 2, 0, 0, 0]);

/** A server of MySQL's protocol that is up to no good: the one that may be in between. Ends with the test. */
export async function scriptedMysql(options: ScriptedOptions = {}): Promise<ScriptedMysql> {
  const sockets = new Set<Socket>();
  const left = () =>
    Promise.all(
      [...sockets].map((socket) => (socket.closed ? Promise.resolve() : once(socket, 'close'))),
    );
  const seen = { port: 0, packets: [] as Buffer[], learned: [] as string[], secured: 0, left };
  const server = createServer((socket) => {
    sockets.add(socket);
    serve(socket, options, seen);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  seen.port = (server.address() as AddressInfo).port;
  return seen;
}

type Seen = { packets: Buffer[]; learned: string[]; secured: number };

function serve(
  raw: Socket,
  { tls, plugin, refuses = false, answer = OK }: ScriptedOptions,
  seen: Seen,
): void {
  let state: 'greeted' | 'switched' | 'key' | 'in' = 'greeted';
  let socket = raw;
  const send = (sequence: number, payload: Buffer) => {
    const header = Buffer.alloc(4);
    header.writeUIntLE(payload.length, 0, 3);
    header[3] = sequence;
    socket.write(Buffer.concat([header, payload]));
  };
  const { publicKey, privateKey } = keys();
  const onPacket: OnPacket = (payload, sequence, rest) => {
    seen.packets.push(payload);
    const next = sequence + 1;
    if (state === 'greeted') {
      if (tls && payload.length === 32) {
        secure(rest);
        return;
      }
      if (refuses) {
        send(next, ACCESS_DENIED);
        return;
      }
      state = plugin ? 'switched' : 'in';
      send(
        next,
        plugin ? Buffer.concat([Buffer.from([0xfe]), text(plugin), SCRAMBLE, text('')]) : OK,
      );
    } else if (state === 'switched') {
      const text = payload.toString();
      if (text.endsWith('\0')) seen.learned.push(text.slice(0, -1));
      // The proof is thrown away: the password itself is asked for.
      if (plugin === 'caching_sha2_password' && payload.length === 32)
        send(next, Buffer.from([1, 4]));
      else if (payload.length === 1) {
        state = 'key';
        send(next, Buffer.concat([Buffer.from([1]), Buffer.from(publicKey)]));
      } else {
        state = 'in';
        send(next, OK);
      }
    } else if (state === 'key') {
      seen.learned.push(decrypted(payload, privateKey));
      state = 'in';
      send(next, OK);
    } else {
      send(next, answer);
    }
  };
  const secure = (rest: Buffer): void => {
    raw.removeAllListeners('data');
    // The client's first word of TLS may have come with its request for it.
    raw.pause();
    raw.unshift(rest);
    const secured = new TLSSocket(raw, { isServer: true, secureContext: createSecureContext(tls) });
    secured.on('secure', () => (seen.secured += 1));
    secured.on('error', () => raw.destroy());
    socket = secured;
    secured.on('data', packets(onPacket));
  };
  raw.on('error', () => raw.destroy());
  raw.on('data', packets(onPacket));
  send(0, greeting(tls !== undefined));
}

type OnPacket = (payload: Buffer, sequence: number, rest: Buffer) => void;

/** Cuts what arrives into packets. */
function packets(onPacket: OnPacket) {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk: Buffer): void => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUIntLE(0, 3)) {
      const length = rest.readUIntLE(0, 3);
      const [payload, sequence] = [rest.subarray(4, 4 + length), rest[3] ?? 0];
      rest = rest.subarray(4 + length);
      onPacket(Buffer.from(payload), sequence, rest);
    }
  };
}

function greeting(hasTls: boolean): Buffer {
  const flags = CAPABILITIES.base | CAPABILITIES.plugins | (hasTls ? CAPABILITIES.ssl : 0);
  const fixed = Buffer.alloc(18);
  fixed.writeUInt16LE(flags & 0xffff, 0);
  fixed[2] = 45;
  fixed.writeUInt16LE(2, 3);
  fixed.writeUInt16LE(flags >>> 16, 5);
  fixed[7] = 21;
  return Buffer.concat([
    ...[Buffer.from([10]), text('8.0.40'), Buffer.from([1, 0, 0, 0])],
    ...[SCRAMBLE.subarray(0, 8), Buffer.from([0]), fixed],
    ...[SCRAMBLE.subarray(8), Buffer.from([0]), text('mysql_native_password')],
  ]);
}

const text = (value: string) => Buffer.from(`${value}\0`);

let made: { publicKey: string; privateKey: string } | undefined;

function keys() {
  return (made ??= generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }));
}

function decrypted(payload: Buffer, key: string): string {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const bytes = privateDecrypt({ key, oaepHash: 'sha1', padding }, payload);
  return Buffer.from(bytes.map((byte, i) => byte ^ (SCRAMBLE[i % 20] ?? 0)))
    .toString()
    .replace(/\0$/, '');
}
