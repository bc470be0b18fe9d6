import { readFileSync } from 'node:fs';
import { connect, isIP, type Socket } from 'node:net';
import mysql from 'mysql2';
import type { PoolOptions } from 'mysql2/promise';
import { usage } from '../errors.js';
import { isLoopback } from '../loopback.js';
import type { TrackingSettings } from '../settings.js';
import { tlsOptions } from '../tls.js';

/** That a server lost its power would be noticed after two hours, the default of most systems. */
const KEEP_ALIVE_DELAY_MS = 30_000;

/**
 * How the server is reached: address, TLS, and what is refused to a server that may be somebody else.
 *
 * @param dialled gets each socket; mysql2 leaves those open whose server refuses the login and does not hang up
 */
export function transportOptions(
  settings: TrackingSettings,
  dialled: (socket: Socket) => void,
): PoolOptions {
  const { host, port, socketPath } = settings;
  const ssl = sslOptions(settings);
  return {
    ...(socketPath === undefined ? { host, port } : { socketPath }),
    ...(ssl && { ssl }),
    stream: () => {
      const socket = dial(settings);
      dialled(socket);
      return socket;
    },
    ...(!ssl && !isLocal(settings) && { authPlugins: guardedPlugins(host) }),
    // LOAD DATA LOCAL is never used; announced, it is an offer to send any file of this machine.
    flags: ['-LOCAL_FILES'],
  };
}

function isLocal({ host, socketPath }: TrackingSettings): boolean {
  return socketPath !== undefined || isLoopback(host);
}

function sslOptions(settings: TrackingSettings) {
  const { tls } = settings;
  if (tls === 'off' || (tls === undefined && isLocal(settings))) return undefined;
  const { caFile, verifyName = true, insecure = false } = tls ?? {};
  const ca = caFile === undefined ? {} : { ca: readFileSync(caFile) };
  return { ...tlsOptions({ ...ca, insecure }), verifyIdentity: verifyName && !insecure };
}

/**
 * mysql2 gives Node no name to compare the certificate with where the host is an address, and Node then takes
 * `localhost`: any certificate for localhost would do. Node reads the name from the socket below before that.
 */
function dial({ host, port, socketPath }: TrackingSettings): Socket {
  if (socketPath !== undefined) return connect(socketPath);
  const socket = connect(port, host);
  // mysql2 does both for sockets of its own only.
  socket.setNoDelay(true);
  socket.once('connect', () => socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS));
  return isIP(host) === 0 ? socket : Object.assign(socket, { _host: host });
}

/**
 * On a connection that others can read and change, a password is only proven, never sent. The plugins of MySQL 8 encrypt
 * it with a key that comes from the server, over the same connection: anyone in between sends one of his own.
 * mysql_clear_password is refused by mysql2 itself.
 */
function guardedPlugins(host: string): NonNullable<PoolOptions['authPlugins']> {
  const onServerPublicKey = () => {
    throw usage(
      `MySQL at ${host} asked for the password itself, and the connection is not encrypted (tracking.tls is off)`,
      'Remove tracking.tls: off. If the server offers no TLS, ask its administrator to enable it.',
    );
  };
  const { caching_sha2_password, sha256_password } = mysql.authPlugins;
  return {
    caching_sha2_password: caching_sha2_password({ onServerPublicKey }),
    sha256_password: sha256_password({ onServerPublicKey }),
  };
}
