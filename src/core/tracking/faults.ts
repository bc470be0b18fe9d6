import { MigrateError, usage } from '../errors.js';
import { Fault } from '../fault.js';

/** Errors of MySQL and of the way to it, by what has to happen next. */
const RETRIABLE = new Set([
  'ER_LOCK_DEADLOCK',
  'ER_LOCK_WAIT_TIMEOUT',
  'ER_CON_COUNT_ERROR',
  'ER_TOO_MANY_USER_CONNECTIONS',
  'ER_USER_LIMIT_REACHED',
  'ER_SERVER_SHUTDOWN',
  'ER_NORMAL_SHUTDOWN',
  'ER_OPTION_PREVENTS_STATEMENT',
  'ER_READ_ONLY_MODE',
  'ER_SERVER_OFFLINE_MODE',
  'ER_QUERY_INTERRUPTED',
  'ER_CONNECTION_KILLED',
  'ER_CLIENT_INTERACTION_TIMEOUT',
  'ER_NEW_ABORTING_CONNECTION',
  'ER_ABORTING_CONNECTION',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR',
  'POOL_CLOSED',
  // Where it is not the certificate (below), the connection broke during the handshake.
  'HANDSHAKE_SSL_ERROR',
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ENOENT',
]);

/** 1290 read-only option, 1792/1836 read-only mode, 1927 killed, 4031 idle: names differ between versions. */
const RETRIABLE_NUMBERS = new Set([1040, 1053, 1205, 1213, 1290, 1317, 1836, 1927, 3024, 4031]);

const GRANT =
  'Grant the user what deploy/grants.sql lists, or all privileges on this one database.';
/** Of those who may not make tables. */
const MIGRATE =
  'Run es-migrate db migrate first, with an account that may make tables: es_migrate_owner of deploy/grants.sql, or one with all privileges on this database.';
const PERMISSION: Readonly<Record<string, string>> = {
  ER_ACCESS_DENIED_ERROR:
    'Check the user in tracking.url and ES_MIGRATE_TRACKING_PASSWORD; a user that requires TLS needs tracking.tls.',
  ER_ACCESS_DENIED_NO_PASSWORD_ERROR: 'Set ES_MIGRATE_TRACKING_PASSWORD.',
  // Said of a database that does not exist, too, unless the user could have made it.
  ER_DBACCESS_DENIED_ERROR:
    'Create the database if it is missing, and grant the user all privileges on it.',
  ER_TABLEACCESS_DENIED_ERROR: GRANT,
  ER_COLUMNACCESS_DENIED_ERROR: GRANT,
  ER_SPECIFIC_ACCESS_DENIED_ERROR: GRANT,
  ER_BAD_DB_ERROR: 'Create the database, or correct the name in tracking.url.',
  ER_HOST_NOT_PRIVILEGED: 'Allow this host to connect as the user in tracking.url.',
  ER_HOST_IS_BLOCKED: 'Run FLUSH HOSTS on the server, after finding out why connections failed.',
  ER_ACCOUNT_HAS_BEEN_LOCKED: 'Unlock the user: ALTER USER … ACCOUNT UNLOCK.',
  // The same on MariaDB, whose numbers above 4000 the driver takes for MySQL's and names wrongly.
  4151: 'Unlock the user: ALTER USER … ACCOUNT UNLOCK.',
  ER_MUST_CHANGE_PASSWORD_LOGIN: 'Give the user a new password, then ES_MIGRATE_TRACKING_PASSWORD.',
  ER_MUST_CHANGE_PASSWORD: 'Give the user a new password, then ES_MIGRATE_TRACKING_PASSWORD.',
  ER_BINLOG_STMT_MODE_AND_ROW_ENGINE: 'Set binlog_format to ROW or MIXED at the server.',
  ER_NOT_SUPPORTED_AUTH_MODE:
    'Give the user a password plugin that mysql2 knows (caching_sha2_password).',
  ER_SECURE_TRANSPORT_REQUIRED:
    'Set tracking.tls.caFile: this server takes encrypted connections only.',
  HANDSHAKE_NO_SSL_SUPPORT:
    'The server offers no TLS: remove tracking.tls, or switch TLS on at the server.',
};

interface DriverError extends Error {
  code?: string;
  errno?: number;
  fatal?: boolean;
}

/** Turns what mysql2 throws into a Fault or a MigrateError; errors that are neither (bugs) stay as they are. */
export function mysqlError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code = '', errno = 0 } = error as DriverError;
  const advice = /^(CREATE|ALTER) command denied/.test(error.message)
    ? MIGRATE
    : (PERMISSION[code] ?? PERMISSION[errno]);
  if (advice !== undefined) return usage(`MySQL refused: ${error.message}`, advice, error);
  if (isCertificateProblem(code, error.message)) {
    return usage(
      `MySQL's certificate was not accepted: ${error.message}`,
      'Name its certificate authority in tracking.tls.caFile.',
      error,
    );
  }
  if (
    RETRIABLE.has(code) ||
    RETRIABLE_NUMBERS.has(errno) ||
    /closed state|closed connection/i.test(error.message)
  ) {
    return new Fault(
      'MySQL',
      'retriable',
      code || String(errno),
      `MySQL: ${describe(code, error)}`,
      { cause: error },
    );
  }
  if (code === 'ER_RECORD_FILE_FULL' || code === 'ER_DISK_FULL') {
    return new MigrateError('unavailable', `MySQL's disk is full: ${error.message}`, {
      advice: 'Free space at the MySQL server, then run the same command again.',
      cause: error,
    });
  }
  return error;
}

function isCertificateProblem(code: string, message: string): boolean {
  return (
    /^(UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|CERT_|ERR_TLS_CERT)/.test(code) ||
    /self[- ]signed certificate|unable to verify|certificate/i.test(message)
  );
}

/** Node leaves the message of a refused connection to several addresses empty. */
function describe(code: string, error: Error): string {
  return error.message === '' ? code : error.message;
}
