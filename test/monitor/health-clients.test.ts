import { get } from 'node:http';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { openHealth } from '../../src/monitor/health.js';
import { PrometheusMetrics } from '../../src/monitor/prometheus.js';
import { Vitals } from '../../src/monitor/vitals.js';
import { until } from '../support/until.js';

const metrics = new PrometheusMetrics();

async function health(): Promise<number> {
  const at = { host: '127.0.0.1', port: 0 };
  const opened = await openHealth(at, metrics, new Vitals(), () => 'ready');
  onTestFinished(() => opened.close());
  return opened.address.port;
}

/** What a probe without a kept connection is answered; undefined where it is refused. */
function probe(port: number, path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    });
    request.on('error', () => resolve(undefined));
  });
}

/** Clients that never end their request, and come back as soon as they are closed; counts how often they were. */
const CLIENTS = `
  const { connect } = require('node:net');
  const { parentPort, workerData: { port, count } } = require('node:worker_threads');
  let closed = 0;
  const begin = () => {
    const client = connect(port, '127.0.0.1', () => client.write('GET /live HT'));
    client.on('error', () => undefined);
    client.on('close', () => {
      parentPort.postMessage((closed += 1));
      setImmediate(begin);
    });
  };
  for (let i = 0; i < count; i += 1) begin();`;

test.each([70, 300])(
  'each probe is answered while %i clients hold on and come back',
  async (count) => {
    const port = await health();
    const worker = new Worker(CLIENTS, { eval: true, workerData: { port, count } });
    onTestFinished(async () => {
      await worker.terminate();
    });
    let closed = 0;
    worker.on('message', (sum: number) => (closed = sum));
    await until(() => closed > count, 'clients that come back');
    const before = closed;
    const answers: (number | undefined)[] = [];
    for (let probes = 0; probes < 20; probes += 1)
      answers.push(await probe(port, ['/live', '/ready', '/metrics'][probes % 3] ?? ''));
    expect(answers).toEqual(Array.from(answers, () => 200));
    await until(() => closed > before + count, 'clients that still come back');
  },
);

test('no connection is kept after its answer, whatever the client asks for', async () => {
  const port = await health();
  for (const path of ['/live', '/ready', '/metrics', '/none']) {
    const client = connect(port, '127.0.0.1');
    const parts: Buffer[] = [];
    client.on('data', (part: Buffer) => parts.push(part));
    client.write(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\n\r\n`);
    await new Promise((resolve) => client.once('end', resolve));
    expect(Buffer.concat(parts).toString()).toMatch(/\r\nconnection: close\r\n/i);
  }
});
