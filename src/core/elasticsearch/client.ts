import { readFileSync } from 'node:fs';
import { Client, Transport, type ClientOptions } from '@elastic/elasticsearch';
import { usage } from '../errors.js';
import { unencryptedHost } from '../loopback.js';
import type { SourceSettings } from '../settings.js';
import { tlsOptions } from '../tls.js';

/** Never the first to lose patience, in milliseconds: requests.ts watches over each request itself. */
const REQUEST_TIMEOUT_MS = 300_000;

/**
 * Sends plain `application/json` and asks no server for its product: the same requests then serve
 * Elasticsearch 7.17 to 9 and OpenSearch, which answers 406 to the client's own media type.
 */
class PlainTransport extends Transport {
  constructor(options: ConstructorParameters<typeof Transport>[0]) {
    const plain = { ...options, productCheck: null };
    delete plain.vendoredHeaders;
    super(plain as unknown as ConstructorParameters<typeof Transport>[0]);
  }
}

/**
 * The official client: its node pool, authentication and TLS. Its own retries are off; ours are in retry.ts. It follows no
 * redirects, and learns of no other nodes.
 *
 * @throws MigrateError `usage` where credentials would go unencrypted to another machine
 */
export function createClient({ urls, auth, caFile, insecure }: SourceSettings): Client {
  const plain = urls.map(unencryptedHost).find((host) => host !== undefined);
  if (auth && plain !== undefined && !insecure) {
    throw usage(
      `the credentials of Elasticsearch would be sent unencrypted to ${plain}`,
      'Write https:// in source.url.',
    );
  }
  const options: ClientOptions = {
    nodes: [...urls],
    Transport: PlainTransport,
    maxRetries: 0,
    requestTimeout: REQUEST_TIMEOUT_MS,
    sniffOnStart: false,
    sniffOnConnectionFault: false,
    sniffInterval: false,
    ...(auth && { auth: { ...auth } }),
    tls: tlsOptions({ ...(caFile !== undefined && { ca: readFileSync(caFile) }), insecure }),
  };
  return new Client(options);
}
