import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resolveBound } from '../../src/core/extract/range.js';

const DAY = 86_400_000;
const from = (text: string, timezone = 'UTC') => resolveBound(text, { timezone, edge: 'from' });
const to = (text: string, timezone = 'UTC') => resolveBound(text, { timezone, edge: 'to' });
const iso = (ms: number) => new Date(ms).toISOString();

describe('bare dates', () => {
  test('from is the start of the day, to the start of the next', () => {
    expect(iso(from('2024-10-01'))).toBe('2024-10-01T00:00:00.000Z');
    expect(iso(to('2024-10-01'))).toBe('2024-10-02T00:00:00.000Z');
    expect(iso(to('2024-02-29'))).toBe('2024-03-01T00:00:00.000Z');
    expect(iso(to('2024-12-31'))).toBe('2025-01-01T00:00:00.000Z');
  });

  test('in a time zone, by that zone', () => {
    expect(iso(from('2024-10-01', 'Europe/Berlin'))).toBe('2024-09-30T22:00:00.000Z');
    expect(iso(from('2024-10-01', '+05:30'))).toBe('2024-09-30T18:30:00.000Z');
    expect(iso(to('2024-10-01', 'America/New_York'))).toBe('2024-10-02T04:00:00.000Z');
  });

  test('days of clock changes have 23 and 25 hours', () => {
    expect(to('2024-03-31', 'Europe/Berlin') - from('2024-03-31', 'Europe/Berlin')).toBe(
      23 * 3_600_000,
    );
    expect(to('2024-10-27', 'Europe/Berlin') - from('2024-10-27', 'Europe/Berlin')).toBe(
      25 * 3_600_000,
    );
  });

  test('a day without midnight starts when it starts', () => {
    expect(iso(from('2018-11-04', 'America/Sao_Paulo'))).toBe('2018-11-04T03:00:00.000Z');
  });

  test('property: every day is [from, to), the next begins where it ends, and UTC agrees with Date', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -25_000, max: 60_000 }),
        fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', '-03:00'),
        (dayNumber, timezone) => {
          const day = iso(dayNumber * DAY).slice(0, 10);
          const next = iso((dayNumber + 1) * DAY).slice(0, 10);
          expect(to(day, timezone)).toBe(from(next, timezone));
          expect(to(day, timezone)).toBeGreaterThan(from(day, timezone));
          expect(from(day)).toBe(dayNumber * DAY);
        },
      ),
    );
  });
});

describe('instants', () => {
  test.each([
    ['2024-10-01T12:00:00Z', '2024-10-01T12:00:00.000Z'],
    ['2024-10-01T12:00Z', '2024-10-01T12:00:00.000Z'],
    ['2024-10-01t12:00:00z', '2024-10-01T12:00:00.000Z'],
    ['2024-10-01T12:00:00.250+02:00', '2024-10-01T10:00:00.250Z'],
    ['2024-10-01 12:00:00-05:00', '2024-10-01T17:00:00.000Z'],
  ])('%s is %s at both edges, whatever the zone', (text, expected) => {
    expect(iso(from(text, 'Asia/Tokyo'))).toBe(expected);
    expect(iso(to(text, 'Asia/Tokyo'))).toBe(expected);
  });

  test('what is finer than a millisecond is rounded up', () => {
    expect(iso(from('2024-10-01T00:00:00.0001Z'))).toBe('2024-10-01T00:00:00.001Z');
    expect(iso(to('1969-12-31T23:59:59.9999Z'))).toBe('1970-01-01T00:00:00.000Z');
  });

  test('property: an ISO instant comes back as itself, with any offset', () => {
    const offsets = fc.constantFrom(-720, -210, 0, 60, 345, 840);
    fc.assert(
      fc.property(
        fc.integer({ min: -2_000_000_000_000, max: 4_000_000_000_000 }),
        offsets,
        (ms, offset) => {
          const sign = offset < 0 ? '-' : '+';
          const pad = (value: number) => String(value).padStart(2, '0');
          const zone = `${sign}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
          const text = iso(ms + offset * 60_000).replace('Z', zone);
          expect(from(text)).toBe(ms);
          expect(to(text)).toBe(ms);
          expect(from(iso(ms + offset * 60_000).replace('Z', ''), zone)).toBe(ms);
        },
      ),
    );
  });
});

describe('local times', () => {
  test('are UTC, or of the zone', () => {
    expect(iso(from('2024-10-01T12:00'))).toBe('2024-10-01T12:00:00.000Z');
    expect(iso(from('2024-10-01 12:00:30', 'Europe/Berlin'))).toBe('2024-10-01T10:00:30.000Z');
  });

  test('a skipped time moves forward by the gap', () => {
    expect(iso(from('2024-03-31T02:30', 'Europe/Berlin'))).toBe('2024-03-31T01:30:00.000Z');
  });

  test('of a repeated time the first is meant', () => {
    expect(iso(from('2024-10-27T02:30', 'Europe/Berlin'))).toBe('2024-10-27T00:30:00.000Z');
    expect(iso(to('2024-11-03T01:30', 'America/New_York'))).toBe('2024-11-03T05:30:00.000Z');
  });
});

describe('what is refused', () => {
  test.each([
    '2024-02-30',
    '2023-02-29',
    '2024-13-01',
    '2024-00-10',
    '2024-10-01T24:00:00Z',
    '2024-10-01T12:60Z',
    '2024-10-01T12:00:60Z',
    '2024-10-01T12:00:00+25:00',
    '2024-02-30T00:00:00Z',
    '2024',
    '2024-10',
    '20241001',
    '1727740800000',
    '01.10.2024',
    'now',
    'now-1d',
    'yesterday',
    '',
    ' 2024-10-01',
    '2024-10-01\n',
    '2024-10-01T',
    '2024-10-01T12:00:00Z[Europe/Berlin]',
    '+002024-10-01',
  ])('%j', (text) => {
    expect(() => from(text)).toThrow(
      expect.objectContaining({ name: 'MigrateError', kind: 'usage' }),
    );
    expect(() => to(text)).toThrow(/give a date such as|doesn't exist/);
  });

  test.each(['0999-12-30', '9999-12-31', '0001-01-01T00:00:00Z'])(
    '%s, which no table can hold',
    (text) => {
      expect(() => to(text)).toThrow(/out of range/);
    },
  );

  test('a time zone nobody knows', () => {
    expect(() => from('2024-10-01', 'Europe/Berln')).toThrow('"Europe/Berln" is not a time zone');
  });

  test('property: no text crashes it', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(Number.isSafeInteger(from(text))).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'usage' });
        }
      }),
    );
  });
});
