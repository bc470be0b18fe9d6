import type { ErrorRule } from './rule.js';

const READ_ONLY =
  'Set read_only to OFF on that server (on MySQL super_read_only, too), or correct tracking.url so that it leads to the writer. A reader endpoint or a replica cannot be used.';

/** The server is not the right one, not ready, or the connection to it is lost. */
export const CONNECTION_RULES: readonly ErrorRule[] = [
  {
    class: 'read-only',
    numbers: [1290],
    when: /read[-_]only/i,
    what: 'the server runs with --read-only or --super-read-only: a replica, or a writer that was demoted',
    advice: READ_ONLY,
  },
  {
    class: 'read-only',
    numbers: [187, 1792, 1836, 1874, 4156],
    what: 'the transaction, InnoDB or the whole server is read-only',
    advice: READ_ONLY,
  },
  {
    class: 'refused',
    numbers: [1290],
    what: 'another option of the server forbids the statement',
    advice:
      'Start the server without the option that the message names; es-migrate needs an ordinary read-write server.',
  },
  {
    class: 'connection',
    numbers: [1047],
    what: 'a Galera node that is not ready to take statements, or a proxy that does not know a command',
    advice: 'See wsrep_ready and wsrep_cluster_status at the node that tracking.url leads to.',
  },
  {
    class: 'connection',
    numbers: [1053, 1077, 1078, 1079, 1080, 3032, 3168, 6400],
    what: 'the server shuts down, is in offline mode or not available yet',
    advice: 'See offline_mode at the server.',
  },
  {
    class: 'connection',
    numbers: [
      62, 1043, 1081, 1152, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1835, 3169,
    ],
    what: 'the connection was cut, killed or garbled on its way',
  },
  { class: 'connection', numbers: [1927], on: 'MariaDB', what: 'the connection was killed' },
  {
    class: 'connection',
    numbers: [4031],
    on: 'MySQL',
    what: 'the server closed an idle connection (wait_timeout)',
  },
  {
    class: 'connection',
    numbers: [2002, 2003, 2005, 2006, 2012, 2013, 2027, 2055],
    what: 'a proxy (MySQL Router, MaxScale, ProxySQL, RDS Proxy) lost or found no server behind it',
    advice:
      'See which servers the proxy at tracking.url knows, and whether one of them is the writer.',
  },
  {
    class: 'connection',
    numbers: [9001, 9002, 9003, 9501],
    what: 'ProxySQL or RDS Proxy had no connection to a server in time',
    advice:
      'Let the proxy open more connections to the writer, or lower concurrency and --processes.',
  },
  {
    class: 'connection',
    numbers: [3100, 3781, 3782, 3783, 3797, 3798, 6141],
    what: 'a member of Group Replication that has left its group or is being changed',
    advice: 'See performance_schema.replication_group_members at the server.',
  },
];
