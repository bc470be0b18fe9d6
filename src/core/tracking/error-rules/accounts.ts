import type { ErrorRule } from './rule.js';

const GRANT =
  'Grant the user what deploy/grants.sql lists, or all privileges on this one database.';
const NEW_PASSWORD = 'Give the user a new password, then set ES_MIGRATE_TRACKING_PASSWORD to it.';
const UNLOCK = 'Unlock the user: ALTER USER … ACCOUNT UNLOCK.';
/** For a password plugin that one side lacks. */
export const AUTH_PLUGIN =
  'Give the user a password plugin that this server has loaded and the client knows: caching_sha2_password, or mysql_native_password.';

/** Who may do what: users, passwords, privileges, proxies. */
export const ACCOUNT_RULES: readonly ErrorRule[] = [
  {
    class: 'refused',
    numbers: [1044],
    what: 'no privilege on the database, or there is none of this name',
    advice: 'Create the database if it is missing, and grant the user all privileges on it.',
  },
  {
    class: 'refused',
    numbers: [1045],
    what: 'user or password is wrong, or TLS is missing',
    advice:
      'Check the user in tracking.url, and set ES_MIGRATE_TRACKING_PASSWORD to its password; a user that requires TLS needs tracking.tls: on.',
  },
  {
    class: 'refused',
    numbers: [1698],
    what: 'the user needs a password, or another way to authenticate',
    advice:
      'Check the user in tracking.url. If it is right, give it a password on the server, and set ES_MIGRATE_TRACKING_PASSWORD to it.',
  },
  {
    class: 'refused',
    numbers: [1095, 1142, 1143, 1227, 1370, 1419, 1873, 3630, 3631, 3879, 6038, 6126, 6127, 6444],
    what: 'a privilege is missing',
    advice: GRANT,
  },
  {
    class: 'refused',
    numbers: [1049],
    what: 'there is no such database',
    advice: 'Create the database, or correct the name in tracking.url.',
  },
  {
    class: 'refused',
    numbers: [1129],
    what: 'this host is blocked after too many failed connections (max_connect_errors)',
    advice: 'Run FLUSH HOSTS on the server, after finding out why connections failed.',
  },
  {
    class: 'refused',
    numbers: [1130],
    what: 'this host may not connect',
    advice: 'Allow this host to connect as the user in tracking.url.',
  },
  { class: 'refused', numbers: [3118, 3955], what: 'the user is locked', advice: UNLOCK },
  {
    class: 'refused',
    numbers: [4150, 4151],
    on: 'MariaDB',
    what: 'the user is locked, or blocked by max_password_errors',
    advice: UNLOCK,
  },
  {
    class: 'refused',
    numbers: [1820, 1862],
    what: 'the password has expired',
    advice: NEW_PASSWORD,
  },
  {
    class: 'refused',
    numbers: [1251, 1275, 1524, 3640],
    what: 'the server wants a way to authenticate that is not there',
    advice: AUTH_PLUGIN,
  },
  {
    class: 'refused',
    numbers: [3159, 3160],
    what: 'the server takes encrypted connections only (require_secure_transport)',
    advice:
      'Set tracking.tls: on, and tracking.tls.caFile where a private authority signed its certificate.',
  },
  {
    class: 'refused',
    numbers: [4167],
    on: 'MariaDB',
    what: 'the server wants encrypted connections and has no certificate',
    advice: 'Give the server a certificate (ssl_cert, ssl_key).',
  },
  {
    class: 'refused',
    numbers: [1105],
    when: /prohibits use of/i,
    what: 'pxc_strict_mode forbids the statement',
    advice: 'Set pxc_strict_mode to PERMISSIVE at the node.',
  },
  {
    class: 'refused',
    numbers: [3164],
    what: 'an audit plugin forbids the statement',
    advice: 'Let the audit plugin or firewall pass the statements of this user.',
  },
  {
    class: 'refused',
    numbers: [2026, 2059, 2061],
    what: 'a proxy could not authenticate at the server behind it, or not with TLS',
    advice: "See the proxy's own users, passwords and certificates.",
  },
  {
    class: 'refused',
    numbers: [9006],
    what: 'ProxySQL would have to send one session to two groups of servers',
    advice: 'Let ProxySQL send this user to the writer only (default_hostgroup, no query rules).',
  },
];
