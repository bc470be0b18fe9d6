import { certificateAdvice, isCertificateProblem, lacksTlsVersion } from '../certificates.js';
import { MigrateError, usage } from '../errors.js';
import { Fault, isForeseen } from '../fault.js';
import { comparedText, serverText } from '../server-text.js';
import { CLEAR_PASSWORD } from './error-rules/driver.js';
import { driverRule, serverRule } from './error-rules/index.js';
import type { DriverRule, ErrorClass, ErrorRule, Product } from './error-rules/rule.js';

/** Of those who may not make tables. */
const MIGRATE =
  'Run es-migrate db migrate first, with an account that may make tables: es_migrate_owner of deploy/grants.sql, or one with all privileges on this database.';

interface DriverError extends Error {
  code?: string;
  /** The server's number; what Node.js reports has a negative one. */
  errno?: number;
  sqlState?: string;
  cert?: { readonly subjectaltname?: string };
}

/** What an error means: its class, and the rule it follows from, where there is one. */
export interface Classified {
  readonly class: ErrorClass;
  readonly rule?: ErrorRule | DriverRule;
}

const BUG: Classified = { class: 'bug' };

/**
 * The class of an error of MySQL, of MariaDB or of the way to them: docs/MYSQL-ERRORS.md.
 *
 * @param product the server, where it is known: errors of both are numbered alike from 1900 on
 */
export function classify(error: unknown, product?: Product): Classified {
  if (!(error instanceof Error) || isForeseen(error)) return BUG;
  const { code = '', errno = 0, sqlState = '' } = error as DriverError;
  const message = comparedText(error.message);
  if (errno > 0) {
    const rule = serverRule(errno, message, product);
    return rule ? { class: rule.class, rule } : { class: classOfState(sqlState) };
  }
  if (isCertificateCode(code) || isCertificateProblem(message))
    return { class: 'refused', rule: CERTIFICATE };
  if (lacksTlsVersion(message)) return { class: 'refused', rule: OLD_TLS };
  // The driver gives it no code.
  if (errno === 0 && /LOCAL INFILE/.test(message)) return { class: 'refused', rule: FILE_REQUEST };
  const rule = driverRule(code);
  if (rule) return { class: rule.class, rule };
  // The driver gives these no code.
  if (/closed state|closed connection|pool is closed/i.test(message))
    return { class: 'connection' };
  return BUG;
}

/** Servers get new numbers with every version; the first two characters of the SQLSTATE keep their meaning. */
function classOfState(sqlState: string): ErrorClass {
  if (sqlState.startsWith('08')) return 'connection';
  if (sqlState.startsWith('40')) return 'wait';
  if (sqlState.startsWith('28')) return 'refused';
  return sqlState === '25006' ? 'read-only' : 'bug';
}

const CERTIFICATE: DriverRule = {
  class: 'refused',
  codes: [],
  what: "the server's certificate is not accepted",
};

const OLD_TLS: DriverRule = {
  class: 'refused',
  codes: [],
  what: 'the server has no TLS 1.2 or later',
  advice: 'Check host and port in tracking.url. If they are right, enable TLS 1.2 at the server.',
};

/** No statement of ours asks for one, so this is no server of ours. */
export const FILE_REQUEST: DriverRule = {
  class: 'refused',
  codes: [],
  what: 'the server asks for a file of this machine (LOCAL INFILE)',
  advice:
    'Check host and port in tracking.url: this may be another server, or somebody in between.',
};

/** MySQL makes one for itself where it is given none. */
const OWN_CERTIFICATE = /_Auto_Generated_Server_Certificate/;

/** Node's error has the certificate beside it, where its names are what is wrong. */
function adviceOfCertificate(error: DriverError, message: string): string {
  const namesNoHost = error.cert !== undefined && error.cert.subjectaltname === undefined;
  if (namesNoHost || OWN_CERTIFICATE.test(message))
    return 'This certificate names no host, as those that MySQL makes itself: with ca.pem of its data directory set tracking.tls: { caFile: ca.pem, verifyName: false }, or have one made that names the host.';
  return certificateAdvice(message, { url: 'tracking.url', caFile: 'tracking.tls.caFile' });
}

/** Turns what mysql2 throws into a Fault or a MigrateError; errors that are neither (bugs) stay as they are. */
export function mysqlError(error: unknown, product?: Product): unknown {
  if (!(error instanceof Error) || isForeseen(error)) return error;
  const { class: errorClass, rule } = classify(error, product);
  const message = serverText(error.message);
  const compared = comparedText(error.message);
  const advice = rule === CERTIFICATE ? adviceOfCertificate(error, compared) : rule?.advice;
  switch (errorClass) {
    case 'refused': {
      const isDdl = /^(CREATE|ALTER|INDEX|DROP) command denied/.test(compared);
      // The driver's own words say how to send it all the same.
      if ((error as DriverError).code === CLEAR_PASSWORD)
        return usage(
          'MySQL asked for the password in the clear, and did not get it',
          advice,
          error,
        );
      if (rule === FILE_REQUEST)
        return usage('MySQL asked for a file of this machine, and got none', advice, error);
      const what = rule === CERTIFICATE ? "MySQL's certificate was not accepted" : 'MySQL refused';
      return usage(`${what}: ${message}`, isDdl ? MIGRATE : advice, error);
    }
    case 'no-space':
      return new MigrateError('unavailable', `MySQL's disk is full: ${message}`, {
        ...(advice !== undefined && { advice }),
        cause: error,
      });
    case 'read-only':
      return retriable(error, { kind: 'usage', says: 'MySQL has been read-only', advice });
    case 'connection':
    case 'wait':
      return retriable(error, advice === undefined ? undefined : { kind: 'unavailable', advice });
    case 'bug':
      return error;
  }
}

function retriable(error: DriverError, lasting: Fault['lasting']): Fault {
  const { code, errno = 0 } = error;
  const message = serverText(error.message);
  const name = code ?? String(errno);
  // Node leaves the message of a refused connection to several addresses empty.
  return new Fault('MySQL', 'retriable', name, `MySQL: ${message === '' ? name : message}`, {
    cause: error,
    lasting,
  });
}

function isCertificateCode(code: string): boolean {
  return /^(UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|CERT_|ERR_TLS_CERT)/.test(code);
}
