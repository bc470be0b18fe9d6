import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from './prerequisites.js';
import { runTool } from './tool.js';

/** Node can verify certificates but not issue them. */
export const OPENSSL = program('openssl', 'OpenSSL', ['openssl']);

export interface Certificates {
  /** PEM files. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

const DAYS = '7';
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/**
 * A certificate authority of its own and, signed by it, a server certificate for localhost and 127.0.0.1.
 *
 * @param directory is created; a second call with another directory makes an unrelated authority.
 * @param names other names of the server, as OpenSSL writes them; `none` for a certificate as MySQL makes one for itself
 */
export async function createCertificates(
  directory: string,
  names = 'DNS:localhost,IP:127.0.0.1',
): Promise<Certificates> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const at = (name: string) => join(directory, name);
  await writeFile(
    at('server.ext'),
    `${names === 'none' ? '' : `subjectAltName=${names}\n`}extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`,
  );
  const subject =
    names === 'none' ? 'MySQL_Server_8.4.0_Auto_Generated_Server_Certificate' : 'localhost';
  const openssl = (...args: string[]) => runTool('openssl', args, { cwd: directory });
  await openssl(
    ...['req', '-x509', ...NEW_KEY, '-days', DAYS, '-subj', '/CN=es-migrate sandbox CA'],
    ...['-keyout', 'ca-key.pem', '-out', 'ca.pem'],
  );
  await openssl(
    ...['req', ...NEW_KEY, '-subj', `/CN=${subject}`, '-keyout', 'key.pem', '-out', 'server.csr'],
  );
  await openssl(
    ...['x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca-key.pem'],
    ...['-CAcreateserial', '-days', DAYS, '-extfile', 'server.ext', '-out', 'cert.pem'],
  );
  return { caFile: at('ca.pem'), certFile: at('cert.pem'), keyFile: at('key.pem') };
}
