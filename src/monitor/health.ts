import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { usage } from '../core/errors.js';
import type { PrometheusMetrics } from './prometheus.js';
import type { Vitals } from './vitals.js';

/** Connections at once; a load balancer and Prometheus have a handful. For one beyond, the oldest without a request is closed. */
const MOST_CONNECTIONS = 64;
/** Connections that may be accepted before the oldest of them are closed. Those beyond are closed as they come. */
const MOST_ACCEPTED = 8 * MOST_CONNECTIONS;
/** How long a client may take to send a request, and how often it is looked after, in milliseconds. */
const REQUEST_MS = 5_000;
const LOOKED_AFTER_EVERY_MS = 1_000;
/** How long a client may send nothing, or leave an answer untaken, in milliseconds. */
const IDLE_MS = 10_000;
const MOST_HEADER_BYTES = 4 << 10;

/** Where health is told. */
export interface HealthAddress {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

export interface Health {
  readonly address: AddressInfo;
  close(): Promise<void>;
}

/** What `/ready` tells: only `ready` is a reason to send anybody here. */
export type Readiness = 'connecting' | 'ready' | 'stopping';

/**
 * Answers `/live`, `/ready` and `/metrics`, for load balancers, service managers and Prometheus.
 *
 * @throws MigrateError `usage` where the port is taken or not allowed
 */
export async function openHealth(
  { host, port }: HealthAddress,
  metrics: PrometheusMetrics,
  vitals: Vitals,
  readiness: () => Readiness,
): Promise<Health> {
  const limits = {
    maxHeaderSize: MOST_HEADER_BYTES,
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    connectionsCheckingInterval: LOOKED_AFTER_EVERY_MS,
  };
  const server = createServer(limits, (request, response) => {
    const { method = '', url = '' } = request;
    // A connection that is kept would take the place of the next client.
    response.setHeader('connection', 'close');
    if (method !== 'GET' && method !== 'HEAD') {
      answer(response, 405, `${method} is not answered here; GET is`);
      return;
    }
    switch (url.replace(/\?.*/, '')) {
      case '/live': {
        if (vitals.alive()) answer(response, 200, 'alive');
        else answer(response, 503, `no sign of life for ${Math.floor(vitals.silentMs / 1000)} s`);
        return;
      }
      case '/ready':
        answer(response, readiness() === 'ready' ? 200 : 503, readiness());
        return;
      case '/metrics':
        void metrics.text().then(
          (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
          (error: unknown) => answer(response, 500, String(error)),
        );
        return;
      default:
        answer(response, 404, 'there is /live, /ready and /metrics');
    }
  });
  server.maxConnections = MOST_ACCEPTED;
  closeOldest(server);
  // A client that sends nothing at all, or takes no answer. Without a listener the connection is closed.
  server.timeout = IDLE_MS;
  await listening(server, host, port);
  return {
    address: server.address() as AddressInfo,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * Keeps at most MOST_CONNECTIONS: those that have waited longest without a complete request are closed first. The newest may be the
 * probe of a load balancer, which must be answered while others hold all connections and come back as soon as they are closed.
 */
function closeOldest(server: Server): void {
  // Sets keep their order: the oldest comes first.
  const open = new Set<Socket>();
  const withoutRequest = new Set<Socket>();
  let isDue = false;
  const close = () => {
    isDue = false;
    for (const socket of [...withoutRequest, ...open]) {
      if (open.size <= MOST_CONNECTIONS) return;
      forget(socket);
      socket.destroy();
    }
  };
  const forget = (socket: Socket) => {
    open.delete(socket);
    withoutRequest.delete(socket);
  };
  server.on('connection', (socket) => {
    open.add(socket);
    withoutRequest.add(socket);
    socket.once('close', () => forget(socket));
    if (isDue || open.size <= MOST_CONNECTIONS) return;
    isDue = true;
    // Not before all that were accepted in this turn were read once: many may have come behind a probe.
    setImmediate(() => setImmediate(close));
  });
  server.on('request', ({ socket }) => withoutRequest.delete(socket));
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      reject(
        usage(
          `--health-port: ${host}:${port} can't be listened on (${code ?? message})`,
          code === 'EADDRINUSE' || code === 'EACCES'
            ? 'Give another port, or end what listens there.'
            : 'Give an address of this host, or the port alone.',
        ),
      );
    });
    server.listen(port, host, () => {
      // Whatever happens to it from now on, the run goes on.
      server.on('error', () => undefined);
      resolve();
    });
  });
}
