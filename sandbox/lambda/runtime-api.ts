import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What a runtime is handed. */
export interface Handed {
  readonly requestId: string;
  /** The event, as JSON. */
  readonly body: string;
  /** When it is ended: milliseconds since the epoch. */
  readonly deadline: number;
  readonly functionArn: string;
}

/** What a runtime said of an invocation, as it stands: JSON, unless it is broken. */
export interface Said {
  readonly kind: 'response' | 'error';
  readonly body: string;
}

/** Lambda's side of the Runtime API (2018-06-01), for one runtime. */
export interface RuntimeApi {
  /** As `AWS_LAMBDA_RUNTIME_API` has it. */
  readonly address: string;
  /** Resolves when the runtime asks for what it is to do next; with the error where it could not be initialised. */
  idle(): Promise<string | undefined>;
  /** Answers a runtime that is idle; resolves with what it says. */
  hand(what: Handed): Promise<Said>;
  close(): void;
}

const VERSION = '/2018-06-01/runtime';
const INVOCATION = new RegExp(`^${VERSION}/invocation/([\\w-]+)/(response|error)$`);

/** Listens on 127.0.0.1. */
export async function startRuntimeApi(): Promise<RuntimeApi> {
  let asking: ServerResponse | undefined;
  let initError: string | undefined;
  let current: { requestId: string; answered: (said: Said) => void } | undefined;
  let tellIdle: () => void = () => undefined;

  const answer = (response: ServerResponse, status: number): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ status: status < 300 ? 'OK' : 'refused' }));
  };
  const listen = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method, url = '' } = request;
    if (method === 'GET' && url === `${VERSION}/invocation/next`) {
      asking = response;
      tellIdle();
      return;
    }
    const body = await text(request);
    if (method === 'POST' && url === `${VERSION}/init/error`) {
      initError = body;
      answer(response, 202);
      tellIdle();
      return;
    }
    const [, requestId, kind] = INVOCATION.exec(url) ?? [];
    if (method !== 'POST' || current === undefined || requestId !== current.requestId) {
      answer(response, method === 'POST' ? 400 : 404);
      return;
    }
    const { answered } = current;
    current = undefined;
    answer(response, 202);
    answered({ kind: kind as Said['kind'], body });
  };

  // A runtime that is killed breaks off its requests.
  const server = createServer(
    (request, response) => void listen(request, response).catch(() => undefined),
  );
  // It may be frozen in the middle of a request.
  Object.assign(server, { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    idle: async () => {
      const isAsked = () => asking !== undefined || initError !== undefined;
      while (!isAsked()) await new Promise<void>((resolve) => (tellIdle = resolve));
      return initError;
    },
    hand: ({ requestId, body, deadline, functionArn }) => {
      const response = asking;
      if (!response) throw new Error('the runtime has not asked for anything');
      asking = undefined;
      return new Promise((answered) => {
        current = { requestId, answered };
        response.writeHead(200, {
          'content-type': 'application/json',
          'lambda-runtime-aws-request-id': requestId,
          'lambda-runtime-deadline-ms': String(deadline),
          'lambda-runtime-invoked-function-arn': functionArn,
          'lambda-runtime-trace-id': `Root=1-${requestId}`,
        });
        response.end(body);
      });
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
