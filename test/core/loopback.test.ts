import { expect, test } from 'vitest';
import { isLoopback, unencryptedHost } from '../../src/core/loopback.js';

test.each([
  ...['127.0.0.1', '127.255.0.9', '::1', '[::1]', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'],
  ...['localhost', 'LocalHost'],
])('%s is this machine', (host) => {
  expect(isLoopback(host)).toBe(true);
});

test.each([
  ...['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', '::ffff:10.0.0.1', '::2', '', '127.1'],
  ...['localhost.example', 'notlocalhost', 'localhost.', '127.0.0.1.example', '2130706433'],
])('%s may be another', (host) => {
  expect(isLoopback(host)).toBe(false);
});

test.each([
  ['http://es.example:9200', 'es.example'],
  ['HTTP://ES.example', 'es.example'],
  ['http://127.0.0.1@es.example/', 'es.example'],
  ['http://[2001:db8::1]:9200', '[2001:db8::1]'],
  // What a URL makes of them is what is connected to.
  ['http://127.1', undefined],
  ['http://2130706433:9200', undefined],
  ['http://[::1]', undefined],
  ['https://es.example', undefined],
])('%s sends unencrypted to %s', (url, host) => {
  expect(unencryptedHost(url)).toBe(host);
});
