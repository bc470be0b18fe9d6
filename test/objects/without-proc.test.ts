/** Where there is no /proc, as on macOS, directories cannot be reached by their descriptors. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { temporaryDirectory } from './contents.js';

const compiled = pathToFileURL(join(import.meta.dirname, '../../dist/src/')).href;
const script = `
  const { openTarget } = await import('${compiled}core/objects/open-target.js');
  const { textContent } = await import('${compiled}core/objects/content.js');
  const { openStaging } = await import('${compiled}core/objects/staging.js');
  const [directory] = process.argv.slice(1);
  const never = new AbortController().signal;
  const host = { hostname: 'h', pid: process.pid, isAlive: () => true, uid: process.geteuid() };
  const target = await openTarget({ kind: 'file', layout: 'message', directory }, host);
  const claimed = await target.claimPrefix({ databaseId: 'd' }, never);
  const body = { content: textContent('x'), contentType: 'application/json' };
  const { url } = await target.put('messages/ab/a.json', body, never);
  const chunks = [];
  for await (const chunk of await target.get(url, never)) chunks.push(chunk);
  const { objects } = await target.list(undefined, never);
  const refused = await target.put('linked/a.json', body, never).catch((error) => error.message);
  const staging = await openStaging(directory, host);
  await staging.close();
  await target.close();
  console.log(JSON.stringify([claimed.keyStyle, String(Buffer.concat(chunks)), objects.map((one) => one.key), refused]));
`;

it('a target works all the same, and follows no link', async () => {
  const directory = await temporaryDirectory();
  const outside = await temporaryDirectory();
  await mkdir(join(outside, 'messages'));
  await symlink(outside, join(directory, 'linked'));
  const hidden = 'mount -t tmpfs tmpfs /proc && exec "$@"';
  const node = [process.execPath, '--input-type=module', '-e', script, directory];
  const rights = process.geteuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const { stdout } = await promisify(execFile)('unshare', [
    ...[...rights, '--mount', 'sh', '-c', hidden, 'sh'],
    ...node,
  ]);
  expect(JSON.parse(stdout)).toEqual([
    'file',
    'x',
    ['linked', 'messages/ab/a.json'],
    `${join(directory, 'linked')} is a symbolic link: es-migrate follows none below target.url`,
  ]);
  expect(await readFile(join(directory, 'messages/ab/a.json'), 'utf8')).toBe('x');
});
