import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { freshBucket } from '../support/sandbox.js';
import { textOf } from './files.js';
import { check, resourcesOf, tools } from './templates.js';

const run = promisify(execFile);

/** What a bundle has, as far as the upload is concerned. */
const BUNDLE = ['extract.mjs', 'process.mjs', 'retry.mjs', 'package.json', 'es-migrate.yaml'];

// They may have to be fetched.
beforeAll(tools, 600_000);

test('the AWS CLI uploads the bundle, once, for all three functions', async () => {
  const { env } = await tools();
  const { bucket, endpoint, accessKeyId, secretAccessKey, region, directory } = await freshBucket();
  const root = await mkdtemp(join(tmpdir(), 'es-migrate-packaged-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const [template, lambda] = [join(root, 'deploy', 'lambda'), join(root, 'dist', 'lambda')];
  await mkdir(template, { recursive: true });
  await mkdir(lambda, { recursive: true });
  await writeFile(join(template, 'template.yaml'), await textOf('lambda/template.yaml'));
  for (const file of BUNDLE) await writeFile(join(lambda, file), `${file} of the bundle`);
  const output = join(root, 'packaged.yaml');
  await run(
    'python3',
    [
      ...['-m', 'awscli', 'cloudformation', 'package', '--s3-bucket', bucket],
      ...['--template-file', join(template, 'template.yaml'), '--output-template-file', output],
    ],
    {
      env: {
        ...env,
        AWS_ENDPOINT_URL: endpoint,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_DEFAULT_REGION: region,
      },
    },
  );
  const [packaged] = await check([await readFile(output, 'utf8')]);
  expect(packaged?.findings).toEqual([]);
  const uploaded = resourcesOf(packaged?.template ?? { Parameters: {}, Resources: {} }, LAMBDA).map(
    ([, { Code }]) => Code as { readonly S3Bucket: string; readonly S3Key: string },
  );
  expect(uploaded.map(({ S3Bucket }) => S3Bucket)).toEqual([bucket, bucket, bucket]);
  expect(new Set(uploaded.map(({ S3Key }) => S3Key)).size).toBe(1);
  const zip = join(directory, uploaded[0]?.S3Key ?? '');
  const list = 'import sys, zipfile; print("\\n".join(zipfile.ZipFile(sys.argv[1]).namelist()))';
  const { stdout } = await run('python3', ['-c', list, zip]);
  expect(stdout.trim().split('\n').sort()).toEqual([...BUNDLE].sort());
});

const LAMBDA = 'AWS::Lambda::Function';
