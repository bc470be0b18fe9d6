import { describe, expect, test } from 'vitest';
import { AdaptiveConcurrency } from '../../src/core/process/adaptive-concurrency.js';

/** A server that many requests a second are sent to, in time that does not pass by itself. */
class Simulation {
  nowMs = 0;
  readonly concurrency: AdaptiveConcurrency;

  constructor(most = 512) {
    this.concurrency = new AdaptiveConcurrency({ most, now: () => this.nowMs });
  }

  /**
   * As many requests as are allowed, again and again, for some seconds.
   *
   * @param roundTripMs of each of them
   * @param perSecond most that the server answers
   * @param offered requests that wait at most; Infinity: always more than are allowed
   */
  run(seconds: number, roundTripMs: number, perSecond: number, offered = Infinity): void {
    const end = this.nowMs + seconds * 1000;
    while (this.nowMs < end) {
      const { allowed } = this.concurrency;
      const inFlight = Math.min(allowed, offered);
      const tookMs = Math.max(roundTripMs, (1000 * inFlight) / perSecond);
      for (let i = 0; i < inFlight; i += 1) {
        this.nowMs += tookMs / inFlight;
        this.concurrency.ended(offered > allowed);
      }
    }
  }
}

describe('uploads in flight', () => {
  test('begin with 32, or with as many as there may ever be', () => {
    expect(new Simulation().concurrency.allowed).toBe(32);
    expect(new Simulation(3).concurrency.allowed).toBe(3);
  });

  test.each([
    [20, 3_000],
    [50, 3_000],
    [50, 8_000],
    [200, 2_000],
  ])('%i ms away, a server of %i a second gets as many as it takes', (roundTripMs, perSecond) => {
    const simulation = new Simulation();
    simulation.run(30, roundTripMs, perSecond);
    const needed = Math.min(512, (perSecond * roundTripMs) / 1000);
    expect(simulation.concurrency.allowed).toBeGreaterThanOrEqual(0.9 * needed);
    expect(simulation.concurrency.allowed).toBeLessThanOrEqual(Math.min(512, 2.5 * needed));
  });

  test('grow also where the server or this process pauses in the middle of a trial', () => {
    for (let pauseAt = 0; pauseAt < 2_000; pauseAt += 100) {
      const simulation = new Simulation();
      simulation.run(pauseAt / 1000, 50, 5_000);
      simulation.nowMs += 300;
      simulation.run(3, 50, 5_000);
      expect(simulation.concurrency.allowed, `pause after ${pauseAt} ms`).toBeGreaterThan(225);
    }
  });

  test('are no more where more bring nothing', () => {
    const simulation = new Simulation();
    simulation.run(60, 1, 2_000);
    expect(simulation.concurrency.allowed).toBeLessThanOrEqual(40);
  });

  test('are no more where none waits: something else is the limit', () => {
    const simulation = new Simulation();
    simulation.run(60, 50, 10_000, 32);
    expect(simulation.concurrency.allowed).toBe(32);
  });

  test('never exceed the most there may be', () => {
    const simulation = new Simulation(100);
    simulation.run(60, 200, 100_000);
    expect(simulation.concurrency.allowed).toBe(100);
  });

  test('are halved once for all that were sent before, down to one and no further', () => {
    const { concurrency } = new Simulation();
    for (const expected of [16, 8, 4, 2, 1, 1]) {
      const { falls } = concurrency;
      const refused = Array.from({ length: 40 }, () => concurrency.refused(falls));
      expect(refused).toEqual(refused.map((_, i) => i === 0));
      expect(concurrency.allowed).toBe(expected);
    }
  });

  test('grow again after a fall, by less than they first did', () => {
    const simulation = new Simulation();
    simulation.run(10, 50, 100_000);
    expect(simulation.concurrency.allowed).toBe(512);
    simulation.concurrency.refused(simulation.concurrency.falls);
    expect(simulation.concurrency.allowed).toBe(256);
    while (simulation.concurrency.allowed === 256) simulation.run(0.05, 50, 100_000);
    expect(simulation.concurrency.allowed).toBe(320);
    simulation.run(10, 50, 100_000);
    expect(simulation.concurrency.allowed).toBe(512);
  });

  test('one is as few as there are; from there they grow, too', () => {
    const simulation = new Simulation(1);
    simulation.run(5, 50, 1000);
    expect(simulation.concurrency.allowed).toBe(1);
    const other = new Simulation();
    for (let i = 0; i < 6; i += 1) other.concurrency.refused(other.concurrency.falls);
    other.run(60, 50, 100_000);
    expect(other.concurrency.allowed).toBeGreaterThan(32);
  });
});
