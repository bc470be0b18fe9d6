import { beforeAll, describe, expect, test } from 'vitest';
import { parseDocument, visit } from 'yaml';
import { PLANTED } from './planted.js';
import { textOf } from './files.js';
import { check, type Finding } from './templates.js';

/** Fetching the linter, and running it over some dozens of templates. */
const TIMEOUT = 600_000;

describe.each(['lambda', 'ec2-autoscaling'] as const)('the template %s', (name) => {
  const planted = PLANTED[name];
  let text: string;
  let clean: readonly Finding[];
  let found: readonly (readonly Finding[])[];

  beforeAll(async () => {
    text = await textOf(`${name}/template.yaml`);
    const [checked] = await check([text]);
    clean = checked?.findings ?? [];
    const texts = planted.map(({ from, to }) => text.replace(from, () => to));
    found = (await check(texts, 'made')).map(({ findings }) => findings);
  }, TIMEOUT);

  test('has no error, no warning and no advice', () => {
    expect(clean).toEqual([]);
  });

  test('has no aliases, which CloudFormation does not take', () => {
    const aliases: unknown[] = [];
    visit(parseDocument(text, { logLevel: 'silent' }), {
      Alias: (_key, alias) => void aliases.push(alias.source),
    });
    expect(aliases).toEqual([]);
  });

  test.each(planted.map((error, at) => ({ ...error, at })))(
    'with $what: $rule is reported',
    ({ from, rule, at }) => {
      expect(text.split(from)).toHaveLength(2);
      expect(found[at]?.map((finding) => finding.rule)).toContain(rule);
    },
  );
});
