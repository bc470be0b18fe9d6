import { GetQueueAttributesCommand, GetQueueUrlCommand, SQSClient } from '@aws-sdk/client-sqs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@elastic/elasticsearch';
import {
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { expect, onTestFinished, test } from 'vitest';
import { freshBucket, freshDatabase, freshIndexPrefix, sandbox } from '../support/sandbox.js';

test('Elasticsearch answers the official client and keeps sources byte for byte', async () => {
  const { url } = sandbox().elasticsearch;
  const client = new Client({ node: url, maxRetries: 0 });
  const info = await client.info();
  expect(info.version.number).toMatch(/^8\.19\./);

  const index = `${freshIndexPrefix()}messages`;
  await client.indices.create({
    index,
    mappings: {
      properties: {
        key: { type: 'keyword' },
        lower: { type: 'keyword', normalizer: 'lowercase' },
        at: { type: 'date_nanos' },
      },
    },
  });
  const source =
    '{"key":"Ab", "lower":"Ab","at":"2024-01-02T03:04:05.123456789Z",\n"n":[1.10,-0.0]}';
  await fetch(`${url}/${index}/_doc/1?refresh=true`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: source,
  });
  const pit = await client.openPointInTime({ index, keep_alive: '1m' });
  const response = await fetch(`${url}/_search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      pit: { id: pit.id },
      query: {
        bool: {
          filter: [
            { terms: { key: ['Ab', 'x'] } },
            { term: { lower: 'AB' } },
            { ids: { values: ['1'] } },
            { range: { at: { gte: 1704164645123, format: 'epoch_millis' } } },
          ],
        },
      },
      sort: ['_shard_doc'],
    }),
  });
  expect(await response.text()).toContain(`"_source":${source}`);
  const caps = await client.fieldCaps({ index, fields: ['at'] });
  expect(Object.keys(caps.fields['at'] ?? {})).toEqual(['date_nanos']);
  await client.closePointInTime({ id: pit.id });
});

test('MariaDB offers TLS under its own authority and commits as safely as in production', async () => {
  const database = await freshDatabase();
  const { host, port, user, password } = database;
  const connection = await createConnection({
    ...{ host, port, user, password, database: database.database },
    ssl: { ca: await readFile(database.caFile), verifyIdentity: true },
  });
  const [rows] = await connection.query<RowDataPacket[]>(
    "SELECT DATABASE() AS name, @@innodb_flush_log_at_trx_commit AS flush, @@bind_address AS address, (SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher') AS cipher",
  );
  expect(rows[0]).toMatchObject({ name: database.database, flush: 1, address: '127.0.0.1' });
  expect((rows[0] as { cipher: string }).cipher).not.toBe('');
  await connection.end();
  await database.drop();

  await expect(
    createConnection({ host, port, user, password, ssl: { rejectUnauthorized: true } }),
  ).rejects.toThrow(/self-signed certificate/);
  await expect(createConnection({ host, port, user, password: 'wrong' })).rejects.toThrow(
    /Access denied/,
  );
});

test('S3 stores objects as files and refuses what it should', async () => {
  const { endpoint, region, accessKeyId, secretAccessKey, bucket, directory } = await freshBucket();
  const settings = { endpoint, region, forcePathStyle: true, maxAttempts: 1 };
  const client = new S3Client({ ...settings, credentials: { accessKeyId, secretAccessKey } });
  const put = { Bucket: bucket, Key: 'a/b.json', Body: '{"n":1.10}' };
  await client.send(new PutObjectCommand({ ...put, ContentType: 'application/json' }));
  expect(await readFile(join(directory, 'a', 'b.json'), 'utf8')).toBe('{"n":1.10}');
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'a/b.json' }));
  expect(await got.Body?.transformToString()).toBe('{"n":1.10}');
  expect(got.ContentType).toBe('application/json');
  const listed = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
  expect(listed.Contents?.map(({ Key }) => Key)).toEqual(['a/b.json']);

  await expect(client.send(new PutObjectCommand({ ...put, IfNoneMatch: '*' }))).rejects.toThrow(
    expect.objectContaining({ name: 'PreconditionFailed' }),
  );
  await expect(
    client.send(new PutObjectCommand({ ...put, Key: 'c', ChecksumSHA256: 'A'.repeat(43) + '=' })),
  ).rejects.toThrow(expect.objectContaining({ name: 'BadDigest' }));
  await expect(
    client.send(new PutObjectCommand({ ...put, Bucket: 'no-such-bucket' })),
  ).rejects.toThrow(expect.objectContaining({ name: 'NoSuchBucket' }));
  const stranger = new S3Client({
    ...settings,
    credentials: { accessKeyId, secretAccessKey: 'wrong' },
  });
  await expect(stranger.send(new PutObjectCommand(put))).rejects.toThrow(
    expect.objectContaining({ name: 'SignatureDoesNotMatch' }),
  );
});

test('SQS has a queue from the start, whose dead-letter queue is there, too', async () => {
  const { queueUrl, region, accessKeyId, secretAccessKey } = sandbox().sqs;
  const endpoint = new URL(queueUrl).origin;
  const client = new SQSClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
  onTestFinished(() => client.destroy());
  const { Attributes = {} } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['RedrivePolicy'] }),
  );
  const policy = JSON.parse(Attributes.RedrivePolicy ?? '{}') as Record<string, unknown>;
  expect(Number(policy['maxReceiveCount'])).toBe(5);
  const QueueName = String(policy['deadLetterTargetArn']).split(':').at(-1);
  expect(await client.send(new GetQueueUrlCommand({ QueueName }))).toHaveProperty('QueueUrl');
});
