import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';

/** One packet of MySQL's protocol, without its header. */
export interface Packet {
  readonly sequence: number;
  readonly body: Buffer;
}

/** What both sides of the proxy speak: answers end with EOF packets, no TLS, passwords as mysql_native_password. */
export const CAPABILITIES =
  0x1 | 0x2 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x10000 | 0x20000 | 0x80000;

export const IN_TRANSACTION = 0x1;
const MORE_RESULTS = 0x8;

/** Reads a socket packet by packet. None is longer than 16 MiB here. */
export class PacketReader {
  readonly #socket: Socket;
  #buffered = Buffer.alloc(0);
  #waiting: (() => void) | undefined;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    const wake = () => {
      this.#waiting?.();
      this.#waiting = undefined;
    };
    socket.on('data', (bytes: Buffer) => {
      this.#buffered = Buffer.concat([this.#buffered, bytes]);
      wake();
    });
    const end = () => {
      this.#ended = true;
      wake();
    };
    socket.on('close', end).on('error', end);
  }

  async next(): Promise<Packet> {
    for (;;) {
      const length = this.#buffered.length < 4 ? undefined : this.#buffered.readUIntLE(0, 3);
      if (length !== undefined && this.#buffered.length >= 4 + length) {
        const packet = {
          sequence: this.#buffered.readUInt8(3),
          body: this.#buffered.subarray(4, 4 + length),
        };
        this.#buffered = this.#buffered.subarray(4 + length);
        return packet;
      }
      if (this.#ended) throw new Error('the connection was closed');
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
  }

  send(sequence: number, body: Buffer): void {
    const header = Buffer.alloc(4);
    header.writeUIntLE(body.length, 0, 3);
    header.writeUInt8(sequence & 0xff, 3);
    this.#socket.write(Buffer.concat([header, body]));
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Reads one whole answer; undefined as its status where it is an error, which carries none. */
export async function readAnswer(
  from: PacketReader,
  pass: (packet: Packet) => void,
): Promise<number | undefined> {
  const take = async () => {
    const packet = await from.next();
    pass(packet);
    return packet.body;
  };
  for (;;) {
    const first = await take();
    const kind = first.readUInt8(0);
    if (kind === 0xff) return undefined;
    let status = kind === 0 ? statusOfOk(first) : 0;
    if (kind !== 0) {
      // Columns, then rows: an EOF packet behind each.
      for (let ends = 0; ends < 2;) {
        const body = await take();
        if (body.readUInt8(0) === 0xff) return undefined;
        if (body.readUInt8(0) === 0xfe && body.length < 9) {
          ends += 1;
          status = body.readUInt16LE(3);
        }
      }
    }
    if ((status & MORE_RESULTS) === 0) return status;
  }
}

function statusOfOk(body: Buffer): number {
  let at = 1;
  for (let numbers = 0; numbers < 2; numbers += 1) {
    const first = body.readUInt8(at);
    at += first === 0xfc ? 3 : first === 0xfd ? 4 : first === 0xfe ? 9 : 1;
  }
  return body.readUInt16LE(at);
}

/** What a server says first. */
export function greeting(connectionId: number): Buffer {
  const low = Buffer.alloc(2);
  low.writeUInt16LE(CAPABILITIES & 0xffff);
  const high = Buffer.alloc(2);
  high.writeUInt16LE(CAPABILITIES >>> 16);
  const id = Buffer.alloc(4);
  id.writeUInt32LE(connectionId);
  return Buffer.concat([
    Buffer.from([10]),
    Buffer.from('8.0.0-proxy\0'),
    id,
    Buffer.from('12345678\0'),
    low,
    // utf8mb4, autocommit
    Buffer.from([45, 2, 0]),
    high,
    Buffer.from([21]),
    Buffer.alloc(10),
    Buffer.from('123456789012\0'),
    Buffer.from('mysql_native_password\0'),
  ]);
}

export const OK = Buffer.from([0, 0, 0, 2, 0, 0, 0]);

/** An error as a server sends it. */
export function errorOf({ number, message }: { number: number; message: string }): Buffer {
  const code = Buffer.alloc(2);
  code.writeUInt16LE(number);
  return Buffer.concat([Buffer.from([0xff]), code, Buffer.from(`#HY000${message}`)]);
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** A client's answer to a server's greeting. */
export function login(greetingBody: Buffer, { user, password, database }: Credentials): Buffer {
  const version = greetingBody.indexOf(0, 1);
  const salt = Buffer.concat([
    greetingBody.subarray(version + 5, version + 13),
    greetingBody.subarray(version + 32, version + 44),
  ]);
  const sha1 = (...parts: Buffer[]) => createHash('sha1').update(Buffer.concat(parts)).digest();
  const once = sha1(Buffer.from(password));
  const mask = sha1(salt, sha1(once));
  const head = Buffer.alloc(32);
  head.writeUInt32LE(CAPABILITIES, 0);
  head.writeUInt32LE(0x1000000, 4);
  head.writeUInt8(45, 8);
  return Buffer.concat([
    head,
    Buffer.from(`${user}\0`),
    Buffer.from([20]),
    once.map((byte, i) => byte ^ (mask[i] ?? 0)),
    Buffer.from(`${database}\0mysql_native_password\0`),
  ]);
}
