import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { resource } from '../package-root.js';
import { freePorts } from '../ports.js';
import { startServer, type Started } from '../server.js';
import type { PreparedElasticsearch } from './prepare.js';

export interface ElasticsearchCoordinates {
  /** `http://127.0.0.1:PORT`, without authentication. */
  readonly url: string;
}

/**
 * Starts one node. It knows everything the server's own jar knows (search, PIT, bulk, field_caps, aggregations,
 * aliases, keyword with the `lowercase` normalizer, date_nanos), but no module beyond: no scripts, reindex,
 * update or delete by query, data streams, language analysers, security.
 *
 * @param heapMb the JVM's heap, in MiB; 1 GB makes the circuit breaker's 429 easy to provoke.
 */
export function startElasticsearch(
  sandbox: string,
  prepared: PreparedElasticsearch,
  heapMb: number,
  stop: AbortSignal,
): Promise<Started<ElasticsearchCoordinates>> {
  return startServer(
    sandbox,
    'elasticsearch',
    async (home) => {
      const at = (name: string) => join(home, name);
      const [port, transportPort] = (await freePorts(2)) as [number, number];
      // Unique, so that an answer can't come from another node on the same port.
      const cluster = `${basename(sandbox)}-${port}`;
      const url = `http://127.0.0.1:${port}`;
      await Promise.all([mkdir(at('tmp')), mkdir(at('config'))]);
      const settings = {
        'cluster.name': cluster,
        'node.name': 'sandbox',
        'discovery.type': 'single-node',
        'network.host': '127.0.0.1',
        'http.port': port,
        'transport.port': transportPort,
        'path.data': at('data'),
        'path.logs': at('logs'),
        // A developer's disk is often fuller than 90 %, where indices would turn read-only.
        'cluster.routing.allocation.disk.threshold_enabled': false,
        'cluster.max_shards_per_node': 5000,
        'action.destructive_requires_name': false,
      };
      // JSON is YAML.
      await writeFile(join(at('config'), 'elasticsearch.yml'), JSON.stringify(settings, null, 2));
      const inCache = (name: string) => join(prepared.directory, name);
      return {
        command: 'java',
        args: [
          `-Xms${heapMb}m`,
          `-Xmx${heapMb}m`,
          // On a small machine Java would choose a collector that the real-memory circuit breaker can't work with.
          '-XX:+UseG1GC',
          `-Djava.io.tmpdir=${at('tmp')}`,
          `-XX:ErrorFile=${at('tmp')}/hs_err.log`,
          `-Dlog4j2.configurationFile=${resource('elasticsearch', 'log4j2.properties')}`,
          ...['-p', inCache('lib')],
          '--add-modules=ALL-MODULE-PATH,jdk.unsupported,jdk.net',
          ...['-cp', inCache('launcher'), 'Launcher', at('config'), inCache('home')],
        ],
        ready: async () => {
          const root = (await (await fetch(url)).json()) as { cluster_name?: string };
          if (root.cluster_name !== cluster) return false;
          return (await fetch(`${url}/_cluster/health?wait_for_status=yellow&timeout=1s`)).ok;
        },
        coordinates: { url },
      };
    },
    stop,
  );
}
