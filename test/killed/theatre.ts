import { afterAll, beforeAll } from 'vitest';
import { sandbox } from '../support/sandbox.js';
import { startFailing, type FailingServer } from './failing-server.js';
import type { Theatre } from './kill.js';
import { loadLarge, loadSmall } from './samples.js';
import { FAILING_READERS, FAILING_UPLOADS } from './scenes.js';

/** Loads what all cases of a test file share before its tests run; gives it from then on. */
export function useTheatre(): () => Theatre {
  const servers: FailingServer[] = [];
  let theatre: Theatre | undefined;

  beforeAll(async () => {
    const { elasticsearch, s3 } = sandbox();
    const failingS3 = await startFailing(s3.endpoint, FAILING_UPLOADS);
    const failingElasticsearch = await startFailing(elasticsearch.url, FAILING_READERS);
    servers.push(failingS3, failingElasticsearch);
    theatre = {
      samples: { small: await loadSmall(240), large: await loadLarge() },
      failing: { s3: failingS3.url, elasticsearch: failingElasticsearch.url },
    };
  });

  afterAll(() => {
    for (const server of servers) server.close();
  });

  return () => {
    if (!theatre) throw new Error('the theatre opens before the first test, not earlier');
    return theatre;
  };
}
