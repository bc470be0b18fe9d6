/** Answers that say success, and are none of S3's. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Target } from '../../src/core/objects/target.js';
import { sandbox } from '../support/sandbox.js';
import { never, noise } from './contents.js';
import type { SeenRequest } from './proxy.js';
import { body, fault, open, openThrough, sandboxCredentials, usageError } from './s3.js';

beforeEach(sandboxCredentials);

const PAGE = '<!DOCTYPE html><html><head><title>Log in</title></head><body>Welcome</body></html>';
const HTML = { 'content-type': 'text/html; charset=utf-8' };
const XML = { 'content-type': 'application/xml' };
const portal = { status: 200, headers: HTML, body: PAGE };
const owner = { databaseId: '4c0d5c4e-5d1b-4c92-9a5c-1f6b1f0f8a11' };

/** The answer to the requests that match; the others reach the real server. */
const only = (matches: (seen: SeenRequest) => boolean, answer: Answer) => ({
  answer: (seen: SeenRequest) => (matches(seen) ? answer : undefined),
});
type Answer = { status: number; headers?: Record<string, string>; body?: string };

async function expectNotFromS3(promise: Promise<unknown>): Promise<void> {
  const { class: kind, code, message } = await fault(promise);
  expect([kind, code], message).toEqual(['retriable', 'NotFromS3']);
  expect(message).toMatch(/in (its|the) place/);
  expect(message).not.toMatch(/<html|Welcome/);
}

describe('an upload has not succeeded where', () => {
  it.each<[string, Answer]>([
    ['200 comes without an ETag', { status: 200 }],
    ['204 comes without an ETag', { status: 204 }],
    ['200 is a page of HTML', portal],
    ['200 is a page of HTML, with an ETag', { ...portal, headers: { ...HTML, etag: '"x"' } }],
    [
      'a page of HTML redirects',
      { status: 302, headers: { ...HTML, location: 'http://portal.example/' }, body: PAGE },
    ],
    ['a page of HTML denies', { status: 403, headers: HTML, body: PAGE }],
    ['a page of HTML knows nothing of it', { status: 404, headers: HTML, body: PAGE }],
    ['a proxy wants to know who asks', { status: 407, headers: HTML, body: PAGE }],
    ['HTML calls itself something else', { status: 404, headers: XML, body: `\n${PAGE}` }],
  ])('%s', async (_, answer) => {
    const target = await openThrough(only(({ method }) => method === 'PUT', answer));
    await expectNotFromS3(target.put('messages/a.json', await body('{}'), never));
    expect(await target.get(target.urlOf('messages/a.json'), never)).toBeUndefined();
  });

  const isCreation = ({ method, url }: SeenRequest) => method === 'POST' && /[?&]uploads/.test(url);
  const isPart = ({ method, url }: SeenRequest) => method === 'PUT' && url.includes('partNumber');
  const isCompletion = ({ method, url }: SeenRequest) =>
    method === 'POST' && /[?&]uploadId=/.test(url);
  it.each<[string, (seen: SeenRequest) => boolean, Answer]>([
    ['a page answers its creation', isCreation, portal],
    [
      'nothing is in the answer to its creation',
      isCreation,
      { status: 200, headers: XML, body: '<x/>' },
    ],
    ['a part has no ETag', isPart, { status: 200 }],
    ['a page answers a part', isPart, portal],
    ['a page answers its completion', isCompletion, portal],
    [
      'nothing is in the answer to its completion',
      isCompletion,
      { status: 200, headers: XML, body: '<x/>' },
    ],
  ])('it goes up in parts, and %s', async (_, matches, answer) => {
    const target = await openThrough(only(matches, answer));
    await expectNotFromS3(
      target.put('a.gz', await body(noise(20_000_000, 'parts'), 'application/gzip'), never),
    );
  });

  it('it goes up in parts, and the completion says 200 and then an error', async () => {
    const error =
      '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>Again.</Message></Error>';
    const target = await openThrough(
      only(isCompletion, { status: 200, headers: XML, body: error }),
    );
    const { class: kind, code } = await fault(
      target.put('a.gz', await body(noise(20_000_000, 'parts'), 'application/gzip'), never),
    );
    expect([kind, code]).toEqual(['retriable', 'InternalError']);
  });
});

describe('a page of HTML in the place of S3', () => {
  it.each<[string, (target: Target) => Promise<unknown>]>([
    ['is no object', (target) => target.get(target.urlOf('a'), never)],
    ['says nothing of an object', (target) => target.stat(target.urlOf('a'), never)],
    ['is no empty bucket', (target) => target.list(undefined, never)],
    ['is no list of uploads', (target) => target.unfinished(never)],
    ['has deleted nothing', (target) => target.delete(['a', 'b'], never)],
    ['is no marker', (target) => target.claimPrefix(owner, never)],
  ])('%s', async (_, ask) => {
    await expectNotFromS3(ask(await openThrough({ answer: () => portal })));
  });

  it.each<[string, (target: Target) => Promise<unknown>]>([
    ['is no empty bucket', (target) => target.list(undefined, never)],
    ['is no list of uploads', (target) => target.unfinished(never)],
    ['has deleted nothing', (target) => target.delete(['a', 'b'], never)],
  ])('%s, also where its tags are closed like those of XML', async (_, ask) => {
    const answer = { status: 200, headers: XML, body: '<html><body>Welcome</body></html>' };
    await expectNotFromS3(ask(await openThrough({ answer: () => answer })));
  });
});

it('what is deleted is told apart from what was not there, and both are no error', async () => {
  const target = await open();
  await target.put('there', await body('{}'), never);
  await target.delete(['there', 'never there', 'é😀 &<>"'], never);
  expect((await target.list(undefined, never)).objects).toEqual([]);
});

describe('a bucket whose requester pays', () => {
  const large = () => body(noise(20_000_000, 'payer'), 'application/gzip');
  const everything = async (target: Target) => {
    await target.claimPrefix(owner, never);
    await target.put('small', await body('{}'), never);
    await target.put('large', await large(), never);
    await target.get(target.urlOf('small'), never);
    await target.stat(target.urlOf('small'), never);
    await target.list(undefined, never);
    await target.unfinished(never);
    await target.delete(['small', 'large'], never);
  };

  it('gets that with every request, signed, and the account it has to belong to', async () => {
    // This server's accounts are named by their first key.
    const bucketOwner = sandbox().s3.accessKeyId;
    const target = await openThrough({}, { requesterPays: true, bucketOwner });
    await everything(target);
    expect(target.requests.length).toBeGreaterThan(9);
    for (const { headers, method, url } of target.requests) {
      expect(headers['x-amz-request-payer'], `${method} ${url}`).toBe('requester');
      expect(headers.authorization).toContain('x-amz-request-payer');
      expect(headers['x-amz-expected-bucket-owner'], `${method} ${url}`).toBe(bucketOwner);
      expect(headers.authorization).toContain('x-amz-expected-bucket-owner');
    }
  });

  it('is not written to where it belongs to another account', async () => {
    const target = await open({ bucketOwner: '012345678901' });
    const error = await usageError(target.claimPrefix(owner, never));
    expect(error.advice).toContain('target.bucketOwner');
  });

  it('gets it with none, unless that is configured', async () => {
    const target = await openThrough({});
    await everything(target);
    for (const { headers } of target.requests)
      expect(headers).not.toHaveProperty('x-amz-request-payer');
  });

  it('refuses who does not say so, and the key that says so is named', async () => {
    const body = '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>';
    const denied = { status: 403, headers: XML, body };
    const target = await openThrough({ answer: () => denied });
    const error = await usageError(target.claimPrefix(owner, never));
    expect(error.advice).toContain('target.requesterPays: true');
  });
});
