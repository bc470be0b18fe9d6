import { afterAll, beforeAll } from 'vitest';
import { startPrivateMysql, type PrivateMysql } from '../faults/private-mysql.js';
import { sandbox } from '../support/sandbox.js';
import { startFailing, type FailingServer } from './failing-server.js';
import type { Theatre } from './kill.js';
import { loadLarge, loadSmall } from './samples.js';
import { FAILING_READERS, FAILING_UPLOADS } from './scenes.js';

/**
 * Loads what all cases of a test file share before its tests run; gives it from then on.
 *
 * @param initConnect see `describeKills`
 */
export function useTheatre(initConnect?: string): () => Theatre {
  const servers: FailingServer[] = [];
  let mysql: PrivateMysql | undefined;
  let theatre: Theatre | undefined;

  beforeAll(async () => {
    const { elasticsearch, s3 } = sandbox();
    const failingS3 = await startFailing(s3.endpoint, FAILING_UPLOADS);
    const failingElasticsearch = await startFailing(elasticsearch.url, FAILING_READERS);
    servers.push(failingS3, failingElasticsearch);
    if (initConnect !== undefined) {
      mysql = await startPrivateMysql();
      await mysql.run(`SET GLOBAL init_connect = '${initConnect.replaceAll("'", "''")}'`);
    }
    theatre = {
      mysql,
      samples: { small: await loadSmall(240), large: await loadLarge() },
      failing: { s3: failingS3.url, elasticsearch: failingElasticsearch.url },
    };
  });

  afterAll(async () => {
    for (const server of servers) server.close();
    await mysql?.stop();
  });

  return () => {
    if (!theatre) throw new Error('the theatre opens before the first test, not earlier');
    return theatre;
  };
}
