import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What a host on EC2 sees of Auto Scaling: its own metadata (IMDSv2), and the service. */
export interface AutoScaling {
  readonly metadata: string;
  readonly endpoint: string;
  /** The state the host is to get to; undefined, as before it is in service, where there is none. */
  target: string | undefined;
  /** The service refuses so many requests more. */
  refusals: number;
  /** Requests for metadata that had no token. */
  readonly withoutToken: number;
  /** How often the target state was asked for. */
  readonly asked: number;
  /** Parameters of the requests that the service took. */
  readonly taken: readonly Readonly<Record<string, string>>[];
  close(): void;
}

export const INSTANCE = 'i-0123456789abcdef0';

/** Answers as the EC2 user guide says that the metadata service does, and as Auto Scaling's query protocol. */
export async function startAutoScaling(onTaken: () => void): Promise<AutoScaling> {
  const state = {
    target: undefined as string | undefined,
    refusals: 0,
    withoutToken: 0,
    asked: 0,
    taken: [] as Record<string, string>[],
  };
  const items: Readonly<Record<string, () => string | undefined>> = {
    '/latest/meta-data/autoscaling/target-lifecycle-state': () => {
      state.asked += 1;
      return state.target;
    },
    '/latest/meta-data/instance-id': () => INSTANCE,
    '/latest/meta-data/placement/region': () => 'eu-west-1',
  };
  const metadata = await listen((request) => {
    const { method, url = '', headers } = request;
    if (url === '/latest/api/token') {
      const isRight = method === 'PUT' && headers['x-aws-ec2-metadata-token-ttl-seconds'];
      return isRight ? [200, 'a-token'] : [400, ''];
    }
    if (headers['x-aws-ec2-metadata-token'] !== 'a-token') {
      state.withoutToken += 1;
      return [401, ''];
    }
    const item = items[url]?.();
    return item === undefined ? [404, ''] : [200, item];
  });
  const service = await listen(async (request) => {
    const parameters = Object.fromEntries(new URLSearchParams(await text(request)));
    if (state.refusals > 0) {
      state.refusals -= 1;
      return [400, ERROR];
    }
    state.taken.push(parameters);
    onTaken();
    return [200, DONE];
  });
  return Object.assign(state, {
    metadata: metadata.url,
    endpoint: service.url,
    close: () => {
      metadata.close();
      service.close();
    },
  });
}

type Answer = readonly [status: number, body: string];

async function listen(answer: (request: IncomingMessage) => Answer | Promise<Answer>) {
  const server = createServer((request, response) => {
    void Promise.resolve(answer(request)).then(([status, body]) => {
      response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const NAMESPACE = 'xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"';
const DONE = `<CompleteLifecycleActionResponse ${NAMESPACE}><CompleteLifecycleActionResult/><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></CompleteLifecycleActionResponse>`;
const ERROR = `<ErrorResponse ${NAMESPACE}><Error><Type>Sender</Type><Code>ValidationError</Code><Message>No active Lifecycle Action found</Message></Error><RequestId>1</RequestId></ErrorResponse>`;
