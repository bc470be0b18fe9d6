import { beforeAll, describe, expect, test } from 'vitest';
import { textOf } from './files.js';
import { templateOf, type JsonObject } from './templates.js';

/** What stands in the guides beside the templates. */
describe.each(['lambda', 'ec2-autoscaling'] as const)('the example of %s', (name) => {
  let parameters: Readonly<Record<string, JsonObject>>;
  let given: Map<string, string>;
  let guide: string;

  beforeAll(async () => {
    ({ Parameters: parameters } = await templateOf(name));
    const example = JSON.parse(await textOf(`${name}/params.example.json`)) as string[];
    given = new Map(
      example.map((line) => [line.replace(/=.*/, ''), line.replace(/^[^=]+=/, '')] as const),
    );
    guide = await textOf(`${name}/README.md`);
  }, 600_000);

  test('gives every parameter that has no default, and none that does not exist', () => {
    const needed = Object.keys(parameters).filter((one) => !('Default' in (parameters[one] ?? {})));
    expect(needed.length).toBeGreaterThan(5);
    expect([...given.keys()]).toEqual(expect.arrayContaining(needed));
    expect(Object.keys(parameters)).toEqual(expect.arrayContaining([...given.keys()]));
  });

  test('gives values that the template takes', () => {
    for (const [parameter, value] of given) {
      const { AllowedPattern = '.' } = parameters[parameter] as {
        readonly AllowedPattern?: string;
      };
      // To be replaced by the reader.
      if (value !== 'ARTIFACTS') expect(value).toMatch(new RegExp(AllowedPattern));
    }
  });

  test('is explained with the parameters, outputs and alarms that there are', async () => {
    const template = await textOf(`${name}/template.yaml`);
    const named = guide.match(/`[A-Z][a-z]+[A-Za-z0-9]+`/g) ?? [];
    expect(named.length).toBeGreaterThan(8);
    const unknown = named
      .map((one) => one.slice(1, -1))
      .filter((one) => !template.includes(`  ${one}:`) && !template.includes(`  ${one}Alarm:`));
    expect(unknown).toEqual([]);
  });
});
