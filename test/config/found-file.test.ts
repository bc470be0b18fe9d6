import { chmodSync, chownSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfigFile } from '../../src/config/file.js';
import { requireOwnFile } from '../../src/config/found-file.js';
import { Problems } from '../../src/config/problems.js';
import { load, MINIMAL, problems, workspace } from './workspace.js';

const uid = process.getuid?.() ?? 0;
/** As the file's owner, or as somebody who is neither that user nor root. */
const me = { uid, sudoUid: undefined };
const somebodyElse = { uid: uid + 1, sudoUid: undefined };
const folder = () => workspace({ 'es-migrate.yaml': MINIMAL });

test('a file that another user owns is read only where it is named', () => {
  const cwd = folder();
  // Root's files count as everybody's own, so root gives it away.
  if (uid === 0) chownSync(join(cwd, 'es-migrate.yaml'), 65_534, 65_534);
  const user = uid === 0 ? me : somebodyElse;
  expect(problems({ cwd, user }).join()).toMatch(
    /^es-migrate\.yaml in this folder is not read: (it|the folder) belongs to another user \(uid \d+\)/,
  );
  expect(load({ cwd, user, configPath: 'es-migrate.yaml' }).describedBy).toBe('es-migrate.yaml');
  const owner = uid === 0 ? 65_534 : uid;
  expect(load({ cwd, user: { uid: 0, sudoUid: owner } }).warnings).toEqual([]);
});

test('a file that every user may change is read only where it is named', () => {
  const cwd = folder();
  chmodSync(join(cwd, 'es-migrate.yaml'), 0o666);
  expect(problems({ cwd, user: me }).join()).toContain('every user of this host may change it');
  expect(load({ cwd, user: me, configPath: 'es-migrate.yaml' }).warnings).toEqual([]);
});

test('a link to such a file counts as one', () => {
  const [cwd, other] = [workspace({}), workspace({})];
  writeFileSync(join(other, 'x.yaml'), MINIMAL, { mode: 0o644 });
  chmodSync(join(other, 'x.yaml'), 0o646);
  symlinkSync(join(other, 'x.yaml'), join(cwd, 'es-migrate.yaml'));
  expect(problems({ cwd, user: me }).join()).toContain('every user of this host may change it');
});

test('a file of root in the folder of another user is read only where it is named', () => {
  const cwd = folder();
  if (uid === 0) chownSync(cwd, 65_534, 65_534);
  const user = uid === 0 ? me : somebodyElse;
  expect(problems({ cwd, user }).join()).toContain('the folder belongs to another user');
  expect(load({ cwd, user, configPath: 'es-migrate.yaml' }).warnings).toEqual([]);
});

test('what is looked at is what is read', () => {
  const cwd = folder();
  const other = workspace({ 'es-migrate.yaml': MINIMAL });
  chmodSync(join(other, 'es-migrate.yaml'), 0o666);
  const file = { name: 'es-migrate.yaml', path: join(cwd, 'es-migrate.yaml'), ignored: [] };
  const check = requireOwnFile(file, me);
  renameSync(join(other, 'es-migrate.yaml'), file.path);
  expect(() => readConfigFile(file, new Problems(), check)).toThrow('may change it');
});
