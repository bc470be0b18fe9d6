import { usage, type MigrateError } from '../errors.js';
import type { Statements } from './database.js';
import {
  CHECKED_SETTINGS,
  COMMON_SETTINGS,
  OPTIONAL_SETTINGS,
  type SessionSetting,
} from './session-settings.js';

/** What a connection allows, as its server said when it was opened. */
export interface Session {
  /** Longest statement the server takes, in bytes (`max_allowed_packet`). */
  readonly packetBytes: number;
}

/** Shorter statements than this are not prepared for: one checkpoint of `verify` has half of it. */
export const SMALLEST_PACKET_BYTES = 1 << 20;

/** Unknown variable, a privilege is missing, not for sessions, a wrong value, read-only, a server option forbids it. */
const CANNOT_SET = new Set([1193, 1227, 1229, 1231, 1238, 1290, 1621]);

/**
 * What the other statements themselves would run into: limits, and a character set that makes their text another. Each server
 * reads its own comment, and passes over the other's.
 */
const FIRST = `SET /*M! SESSION max_statement_time = 0, SESSION max_session_mem_used = 9223372036854775807, */
  /*!80000 SESSION max_execution_time = 0, */ NAMES utf8mb4 COLLATE utf8mb4_bin`;

const ALL = [...COMMON_SETTINGS, ...OPTIONAL_SETTINGS, ...CHECKED_SETTINGS];

/**
 * Makes a new connection ours: whatever the server's defaults and its `init_connect` made of it, it has the settings of
 * session-settings.ts afterwards, no open transaction, the server's clock, and the database of the configuration.
 *
 * @throws MigrateError `usage` where a setting cannot be had, or `init_connect` itself fails
 */
export async function openSession(
  on: Pick<Statements, 'rows' | 'change'>,
  database: string,
): Promise<Session> {
  await on.change(FIRST).catch((error: unknown) => {
    throw initConnectFailed(error) ?? error;
  });
  await set(on, COMMON_SETTINGS);
  // Ends what init_connect may have begun.
  await on.change('ROLLBACK');
  // As a statement: the variables of that name differ between MySQL and MariaDB.
  await on.change('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE');
  await on.change(`USE \`${database.replaceAll('`', '``')}\``);
  let now = await readBack(on);
  const differing = OPTIONAL_SETTINGS.filter((setting) => differs(now, setting));
  if (differing.length > 0) {
    await set(on, differing);
    now = await readBack(on);
  }
  const wrong = ALL.find((setting) => differs(now, setting));
  if (wrong) throw notOurs(wrong, now.get(wrong.name) ?? '');
  return { packetBytes: packetBytes(now) };
}

/**
 * What a proxy may lose: the next transaction runs on another connection to the server, whose session is not ours.
 *
 * @throws MigrateError `usage` where a setting is another one than {@link openSession} left
 */
export async function checkSession(on: Pick<Statements, 'rows'>): Promise<void> {
  const now = await readBack(on);
  // Under a sql_select_limit of somebody else's not even the variables come back whole.
  const wrong =
    ALL.find((setting) => differs(now, setting)) ??
    COMMON_SETTINGS.find(({ name }) => !now.has(name));
  if (wrong) {
    const { name, value } = wrong;
    const there = now.get(name);
    const is = there === undefined ? 'did not come back' : `is '${there}' now`;
    throw sharesSessions(`${name} ${is}, and was set to ${value}`);
  }
}

/** A proxy that es-migrate cannot work through, and how it is noticed. */
export function sharesSessions(noticed: string, cause?: unknown): MigrateError {
  return usage(
    `the proxy at tracking.url gives one session several connections to MySQL, and loses its settings or locks: ${noticed}`,
    'Let tracking.url lead to the writer itself, or switch multiplexing off for this user (ProxySQL: multiplex = 0 in its query rules, or mysql-multiplexing = false).',
    cause,
  );
}

/** All by one statement; where one of them is refused, one by one: what is missing then shows when they are read back. */
async function set(
  on: Pick<Statements, 'change'>,
  settings: readonly SessionSetting[],
): Promise<void> {
  const assign = (some: readonly SessionSetting[]) =>
    on.change(`SET SESSION ${some.map(({ name, value }) => `${name} = ${value}`).join(', ')}`);
  try {
    await assign(settings);
  } catch (error) {
    unlessForbidden(error);
    for (const setting of settings) await assign([setting]).catch(unlessForbidden);
  }
}

function unlessForbidden(error: unknown): void {
  if (!CANNOT_SET.has((error as { errno?: number }).errno ?? 0)) throw error;
}

async function readBack(on: Pick<Statements, 'rows'>): Promise<Map<string, string>> {
  const rows = await on.rows<{ Variable_name: string; Value: string }>(
    'SHOW SESSION VARIABLES WHERE Variable_name IN (?)',
    [[...ALL.map(({ name }) => name), 'max_allowed_packet', 'wsrep_on']],
  );
  return new Map(rows.map(({ Variable_name, Value }) => [Variable_name.toLowerCase(), Value]));
}

/** Whether the server knows a variable and has another value for it. */
function differs(now: ReadonlyMap<string, string>, setting: SessionSetting): boolean {
  const { name, value, or, where } = setting;
  const there = now.get(name);
  if (there === undefined || value === 'DEFAULT') return false;
  if (where !== undefined && now.get(where) !== 'ON') return false;
  return comparable(there) !== comparable(value.replaceAll("'", '')) && there !== or;
}

/** `0.000000` is 0, and lists have no order. */
function comparable(value: string): string {
  if (/^\d+\.0+$/.test(value)) return value.replace(/\.0+$/, '');
  return value.toUpperCase().split(',').sort().join();
}

function packetBytes(now: ReadonlyMap<string, string>): number {
  const bytes = Number(now.get('max_allowed_packet'));
  if (bytes >= SMALLEST_PACKET_BYTES) return bytes;
  throw usage(
    `MySQL takes statements of ${bytes} bytes at most (max_allowed_packet), and es-migrate needs ${SMALLEST_PACKET_BYTES}`,
    `Run SET GLOBAL max_allowed_packet = ${SMALLEST_PACKET_BYTES} at the MySQL server, or more, and set it in its configuration.`,
  );
}

function notOurs({ name, value }: SessionSetting, there: string): MigrateError {
  return usage(
    `MySQL's setting ${name} is '${there}' for this user, who may not change it; es-migrate needs ${value}`,
    `Remove ${name} from init_connect or set it to ${value} at the MySQL server, or let this user change it.`,
  );
}

/** The server closes a connection whose `init_connect` fails at its first statement (1184). */
function initConnectFailed(error: unknown): MigrateError | undefined {
  const { errno, message } = error as { errno?: number; message: string };
  if (errno !== 1184 || !message.includes('init_connect')) return undefined;
  return usage(
    'MySQL closes every connection of this user: its setting init_connect fails',
    'Correct init_connect at the MySQL server, whose error log says what is wrong with it, or grant the user what it needs.',
    error,
  );
}
