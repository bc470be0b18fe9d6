import { Transform } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { printableJson } from './printable.js';

/** Controls that JSON allows between its tokens stay; within its strings it has none. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f]/g;

/**
 * A document for a terminal: what would act on it is escaped as JSON does, so that it is still parsed to the same value. Bytes that are
 * no UTF-8 become U+FFFD.
 */
export function forTerminal(): Transform {
  const decoder = new StringDecoder('utf8');
  // Half of a character that is beyond 16 bits waits for the other one.
  let half = '';
  const shown = (text: string, isLast: boolean): string => {
    const whole = half + text;
    half = !isLast && /[\ud800-\udbff]$/.test(whole) ? whole.slice(-1) : '';
    const complete = half === '' ? whole : whole.slice(0, -1);
    return printableJson(complete).replaceAll(CONTROL, (one) => JSON.stringify(one).slice(1, -1));
  };
  return new Transform({
    decodeStrings: true,
    transform: (chunk: Buffer, _encoding, done) => done(null, shown(decoder.write(chunk), false)),
    flush: (done) => done(null, shown(decoder.end(), true)),
  });
}
