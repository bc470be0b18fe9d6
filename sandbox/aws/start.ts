import { randomInt } from 'node:crypto';
import { freePorts } from '../ports.js';
import { startServer, type Started } from '../server.js';

export interface AwsCoordinates {
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  /** It takes any; clients want some. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const REGION = 'us-east-1';

/** Starts moto: SNS, CloudWatch, its Logs, Secrets Manager and others. What it holds goes with it. */
export function startAws(
  sandbox: string,
  packages: string,
  stop: AbortSignal,
): Promise<Started<AwsCoordinates>> {
  return startServer(
    sandbox,
    'aws',
    async () => {
      const [port] = (await freePorts(1)) as [number];
      const endpoint = `http://127.0.0.1:${port}`;
      // Nobody else has this account, so an answer can't come from a stranger on the same port.
      const accountId = String(randomInt(100_000_000_000, 281_474_976_710_655)).slice(0, 12);
      return {
        command: 'python3',
        args: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
        env: { PYTHONPATH: packages, MOTO_ACCOUNT_ID: accountId },
        ready: () => isAccount(endpoint, accountId),
        coordinates: {
          ...{ endpoint, region: REGION, accountId },
          ...{ accessKeyId: 'sandbox', secretAccessKey: 'sandbox-secret' },
        },
      };
    },
    stop,
  );
}

async function isAccount(endpoint: string, accountId: string): Promise<boolean> {
  const answer = await fetch(`${endpoint}/`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `AWS4-HMAC-SHA256 Credential=x/20200101/${REGION}/sts/aws4_request, SignedHeaders=host, Signature=0`,
    },
    body: 'Action=GetCallerIdentity&Version=2011-06-15',
  });
  return (await answer.text()).includes(`<Account>${accountId}</Account>`);
}
