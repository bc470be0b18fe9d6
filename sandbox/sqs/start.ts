import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../ports.js';
import { startServer, type Started } from '../server.js';

export interface SqsCoordinates {
  readonly endpoint: string;
  /** A queue that is there from the start, with a dead-letter queue. */
  readonly queueUrl: string;
  readonly region: string;
  /** It takes any; clients want some. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const REGION = 'us-east-1';
const ACCOUNT = '000000000000';
const QUEUE = 'batches';

/** Starts ElasticMQ. Queues and messages outlive a restart, as SQS's do. */
export function startSqs(
  sandbox: string,
  jars: string,
  stop: AbortSignal,
): Promise<Started<SqsCoordinates>> {
  return startServer(
    sandbox,
    'sqs',
    async (home) => {
      const [port] = (await freePorts(1)) as [number];
      const endpoint = `http://127.0.0.1:${port}`;
      // Nobody else has this queue, so an answer can't come from a stranger on the same port.
      const own = `sandbox-${randomBytes(8).toString('hex')}`;
      const config = join(home, 'elasticmq.conf');
      await writeFile(config, configuration(home, port, own));
      return {
        command: 'java',
        args: [
          ...['-Xmx128m', '-XX:+UseSerialGC', `-Dconfig.file=${config}`],
          ...['-cp', join(jars, '*'), 'org.elasticmq.server.Main'],
        ],
        ready: async () => (await fetch(`${endpoint}/?Action=GetQueueUrl&QueueName=${own}`)).ok,
        coordinates: {
          endpoint,
          queueUrl: `${endpoint}/${ACCOUNT}/${QUEUE}`,
          region: REGION,
          accessKeyId: 'sandbox',
          secretAccessKey: randomBytes(20).toString('hex'),
        },
      };
    },
    stop,
  );
}

function configuration(home: string, port: number, own: string): string {
  return `include classpath("application.conf")
node-address { protocol = http, host = "127.0.0.1", port = ${port}, context-path = "" }
rest-sqs { enabled = true, bind-hostname = "127.0.0.1", bind-port = ${port}, sqs-limits = strict }
rest-stats { enabled = false }
aws { region = ${REGION}, accountId = ${ACCOUNT} }
queues {
  ${own} {}
  ${QUEUE} { deadLettersQueue { name = "${QUEUE}-dead", maxReceiveCount = 5 } }
  ${QUEUE}-dead {}
}
queues-storage { enabled = true, path = ${JSON.stringify(join(home, 'queues.conf'))} }
messages-storage { enabled = true, uri = ${JSON.stringify(`jdbc:h2:file:${join(home, 'messages')}`)} }
`;
}
