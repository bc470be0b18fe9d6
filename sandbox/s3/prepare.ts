import { join } from 'node:path';
import { cached, isCached } from '../cache.js';
import { programVersion, provide, type Prerequisite } from '../prerequisites.js';
import { runTool } from '../tool.js';

const VERSION = '1.8.0';
const NAME = `versitygw-${VERSION}`;

/** From 1.21 on, Go fetches the newer toolchain that versitygw's go.mod asks for (1.25) by itself, if it may. */
const GO = programVersion('go', 'Go 1.21 or newer', ['golang-go'], {
  args: ['version'],
  pattern: /go(\d+)\.(\d+)/,
  atLeast: [1, 21],
});

/** What has to be installed before {@link prepareS3}: nothing once it is built. */
export function s3Prerequisites(): Prerequisite[] {
  return isCached(NAME) ? [] : [GO];
}

/** Builds versitygw, once, and returns the program's path. */
export async function prepareS3(
  report: (line: string) => void,
  stop?: AbortSignal,
): Promise<string> {
  const directory = await cached(
    NAME,
    async (into) => {
      await provide([GO], report);
      report(`building the S3 server ${NAME}, once (1 to 4 minutes)`);
      await runTool(
        'go',
        [
          'install',
          '-trimpath',
          '-ldflags=-s -w',
          `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`,
        ],
        {
          // Outside of any module, and without a C compiler. Debian's Go may not fetch toolchains unless it is told to.
          cwd: into,
          env: {
            ...{ GOBIN: into, GOTMPDIR: into },
            ...{ GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'auto', CGO_ENABLED: '0' },
          },
          advice: "Check that Go's module proxy (go env GOPROXY) can be reached.",
          stop,
        },
      );
    },
    () => report(`waiting for another process to build ${NAME}`),
    stop,
  );
  return join(directory, 'versitygw');
}
