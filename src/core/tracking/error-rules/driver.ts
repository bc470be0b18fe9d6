import { AUTH_PLUGIN } from './accounts.js';
import type { DriverRule } from './rule.js';

/** Never to go without: a server that offered TLS yesterday and none today may be somebody in between. */
const NO_TLS =
  'Check host and port in tracking.url: this may be another server, or somebody in between. If it is the right one, ask its administrator to enable TLS.';
/** mysql2's name for a server that wants the password itself. */
export const CLEAR_PASSWORD = 'MYSQL_CLEAR_PASSWORD_NOT_ENABLED';

export const DRIVER_RULES: readonly DriverRule[] = [
  {
    class: 'connection',
    codes: ['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ENOTCONN', 'ECANCELED'],
    what: 'nothing listens there, or the connection was cut',
  },
  {
    class: 'connection',
    codes: ['ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'ENETRESET'],
    what: 'the host does not answer, or there is no way to it',
  },
  {
    class: 'connection',
    codes: ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME', 'ESERVFAIL'],
    what: 'the name of the host is not known, or the name server does not answer',
  },
  {
    class: 'connection',
    codes: ['ENOENT'],
    what: 'the socket of a server on this host is not there (yet)',
  },
  {
    class: 'connection',
    codes: ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EADDRINUSE'],
    what: 'this host is out of files, memory or ports for the moment',
    advice: 'Raise the limit on open files (ulimit -n) on this host, or lower concurrency.',
  },
  {
    class: 'connection',
    codes: [
      'PROTOCOL_CONNECTION_LOST',
      'PROTOCOL_SEQUENCE_TIMEOUT',
      'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR',
      'PROTOCOL_ENQUEUE_AFTER_QUIT',
      'PROTOCOL_PACKETS_OUT_OF_ORDER',
      'ERR_STREAM_DESTROYED',
      'ERR_STREAM_WRITE_AFTER_END',
      'ERR_SOCKET_CLOSED',
      'POOL_CLOSED',
    ],
    what: 'the server closed the connection, or did not answer a statement in time',
  },
  {
    class: 'connection',
    codes: ['ERR_OUT_OF_RANGE', 'ERR_BUFFER_OUT_OF_BOUNDS'],
    what: 'what came cannot be read as an answer of MySQL',
    advice: 'Check host and port of tracking.url: what answers there does not speak as MySQL does.',
  },
  {
    class: 'connection',
    codes: ['HANDSHAKE_SSL_ERROR', 'HANDSHAKE_UNKNOWN_ERROR', 'EPROTO'],
    what: 'the connection broke while it was opened; what is wrong with a certificate is exit 2',
  },
  {
    class: 'refused',
    codes: ['HANDSHAKE_NO_SSL_SUPPORT'],
    what: 'TLS is required, and what answers offers none',
    advice: NO_TLS,
  },
  {
    class: 'refused',
    codes: ['AUTH_SWITCH_PLUGIN_ERROR'],
    what: 'the server wants a password plugin that the client does not have',
    advice: AUTH_PLUGIN,
  },
  {
    class: 'refused',
    codes: [CLEAR_PASSWORD],
    what: 'the server wants the password in the clear (mysql_clear_password), and does not get it',
    advice: `${AUTH_PLUGIN} If it has one of them, somebody may be in between.`,
  },
  {
    class: 'refused',
    codes: ['EACCES', 'EPERM'],
    what: 'this process may not open the socket of the server',
    advice: 'Let the user of this process read and write the socket, or connect by host and port.',
  },
];
