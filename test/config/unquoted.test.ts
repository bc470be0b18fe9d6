import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { MINIMAL, problems, workspace } from './workspace.js';
import { loadSettings } from '../../src/config/load.js';
import { currentUser } from '../../src/host/user.js';

const SECRET = 'hunter2Xy';

/** The lines of the error, with everything else on it that could be printed. */
function refused(yaml: string, env: Record<string, string> = {}, name = 'es-migrate.yaml'): string {
  const cwd = workspace({ [name]: yaml });
  try {
    loadSettings({
      cwd,
      env,
      flags: {},
      user: currentUser({}),
      needs: { source: true, target: true },
    });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'MigrateError') throw error;
    expect(error.message).toMatch(/es-migrate\.|ES_MIGRATE_/);
    expect(error.message.length).toBeGreaterThan(20);
    return `${error.message} ${inspect(error, { depth: 9 })}`;
  }
  throw new Error('it loaded without a problem');
}

/** A password that nobody put in quotes, or only half: what YAML makes of it is an error. */
const BROKEN = [
  `*${SECRET}`,
  `&${SECRET}`,
  `&${SECRET} &${SECRET} x`,
  `!${SECRET}`,
  `!${SECRET}! x`,
  `%${SECRET}`,
  `@${SECRET}`,
  `\`${SECRET}`,
  `"${SECRET}`,
  `'${SECRET}`,
  `"${SECRET}" ${SECRET}`,
  `"\\q${SECRET}"`,
  `"\\x${SECRET}"`,
  `|${SECRET}`,
  `>-${SECRET}`,
  `[${SECRET}`,
  `{${SECRET}`,
  `{${SECRET}: ${SECRET}`,
  `${SECRET}: ${SECRET}`,
  `${SECRET}\n${SECRET}`,
  `${SECRET}\n\t- ${SECRET}`,
  `[${SECRET}]`,
  `{ ${SECRET}: 1 }`,
  `{ {${SECRET}}: 1 }`,
  `? ${SECRET}`,
  `\n- ${SECRET}`,
  `\n  ? {${SECRET}: 1}\n  : 2`,
  `<<: *${SECRET}`,
];

describe('a file that cannot be parsed, or has the wrong types, quotes nothing of it', () => {
  for (const key of ['password', 'apiKey']) {
    test.each(BROKEN)(`${key}: %s`, (value) => {
      const section = key === 'password' ? 'tracking:\n' : 'source:\n';
      expect(refused(MINIMAL.replace(section, `${section}  ${key}: ${value}\n`))).not.toContain(
        SECRET,
      );
    });
  }

  test.each([
    `tracking: { password:${SECRET} }`,
    `tracking: {password ${SECRET}: 1}`,
    `tracking: password:${SECRET}`,
    `tracking: ${SECRET}`,
    `tracking:\n  - ${SECRET}`,
    `tracking:\n  url: mysql://u@h/d\n  password:${SECRET}`,
    `tracking:\n  password ${SECRET}`,
    `tracking:\n  passwordFile: 1234567\n  url: mysql://u:${SECRET}@h`,
    `tracking:\n  passwordFile: ${SECRET}`,
    `source:\n  apiKeyFile: ${SECRET}`,
    `source:\n  apiKeyFile: [${SECRET}]`,
    `source:\n  url: [${SECRET}, 1]`,
    `source:\n  url: https://u:${SECRET}@h:x`,
    `source:\n  url: https://h/?key=${SECRET}`,
    `target:\n  url: s3://k:${SECRET}@b`,
    `target:\n  endpoint: https://k:${SECRET}@b`,
    `queue:\n  url: https://k:${SECRET}@b/1/q`,
    `--- ${SECRET}\n--- ${SECRET}`,
    `%${SECRET}\n---\na: 1`,
    `'${SECRET}: 1`,
  ])('%s', (yaml) => {
    expect(refused(yaml)).not.toContain(SECRET);
  });

  test.each([
    `{"tracking": {"password": "${SECRET}}}`,
    `{"tracking": {"password": ${SECRET}}}`,
    `{"tracking": {"password": "${SECRET}" "x"}}`,
    `{"tracking": {"password": "\\z${SECRET}"}}`,
    `{"tracking": {"password": ["${SECRET}"]}}`,
    `{"tracking": {"password": "${SECRET}",}}`,
  ])('JSON: %s', (json) => {
    expect(refused(json, {}, 'es-migrate.json')).not.toContain(SECRET);
  });
});

describe('nor does the environment', () => {
  test.each<[string, string]>([
    ['ES_MIGRATE_TRACKING_PASSWORD_FILE', SECRET],
    ['ES_MIGRATE_SOURCE_PASSWORD_FILE', `/nowhere/${SECRET}`],
    ['ES_MIGRATE_SOURCE_API_KEY_FILE', SECRET],
    ['ES_MIGRATE_SOURCE_URL', `https://u:${SECRET}@h:x`],
    ['ES_MIGRATE_SOURCE_URL', `u:${SECRET}@h`],
    ['ES_MIGRATE_TRACKING_URL', `mysql://u:${SECRET}@h`],
    ['ES_MIGRATE_TRACKING_URL', `u:${SECRET}@h/d`],
    ['ES_MIGRATE_TARGET_URL', `s3://k:${SECRET}@b`],
    ['ES_MIGRATE_QUEUE_URL', `https://k:${SECRET}@b/1/q`],
    ['ES_MIGRATE_TRACKING_PASWORD', SECRET],
  ])('%s=%s', (name, value) => {
    expect(refused(MINIMAL, { [name]: value })).not.toContain(SECRET);
  });
});

test('what is wrong is still said: where, what, and what to do', () => {
  const lines = (yaml: string) => problems({ files: { 'es-migrate.yaml': yaml } });
  expect(lines('tracking:\n  password: *abc\n')).toEqual([
    'es-migrate.yaml:1: an alias (*) names no anchor; put values with special characters in single quotes',
  ]);
  expect(lines(`tracking:\n  password: '${SECRET}\n`)[0]).toMatch(
    /^es-migrate\.yaml:\d: is not valid YAML: a character is missing: a closing quote/,
  );
  expect(lines(`tracking: { password:${SECRET} }`)[0]).toMatch(
    /^es-migrate\.yaml:1: tracking\.\(not shown\): unknown key; allowed here: url, password/,
  );
});
