import { isPage, NOT_FROM_S3 } from './s3-answer.js';

/**
 * S3's refusal of a request that was not sent by the SDK, in the shape of the SDK's own errors, so that one reader
 * (s3-faults.ts) knows them all. It holds nothing of the request: that carries a signature.
 */
export class S3Refusal extends Error {
  override readonly name = 'S3Refusal';
  /** S3's name for it; undefined where the answer had none; ours where it was a page of HTML. */
  readonly Code: string | undefined;
  /** Where S3 names the region to use. */
  readonly Region: string | undefined;
  /** The request's header it is about, where S3 names it. */
  readonly Header: string | undefined;
  readonly $metadata: { readonly httpStatusCode: number };
  readonly $response: {
    readonly statusCode: number;
    readonly headers: Readonly<Record<string, string>>;
  };

  /** `body` is the answer's XML, or whatever stands in its place, or its beginning. */
  constructor(statusCode: number, headers: Readonly<Record<string, string>>, body: string) {
    // Above, S3 or what stands before it is out of order, and the status says how.
    const isForeign = statusCode < 500 && isPage(headers['content-type'], body);
    super(isForeign ? PAGE : (element(body, 'Message') ?? ''));
    this.Code = isForeign ? NOT_FROM_S3 : element(body, 'Code');
    this.Region = element(body, 'Region');
    this.Header = element(body, 'Header');
    this.$metadata = { httpStatusCode: statusCode };
    this.$response = { statusCode, headers };
  }
}

const PAGE = 'a page of HTML: a proxy or a captive portal may have answered in the place of S3';

/** The text of the first element of that name: S3's errors are flat, and a page of HTML has none. */
function element(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]?.trim();
  return text === undefined || text === '' ? undefined : text.replace(reference, resolve);
}

const reference = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(lt|gt|amp|quot|apos));/gi;
const named: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
};

function resolve(whole: string, decimal?: string, hex?: string, name?: string): string {
  if (name !== undefined) return named[name.toLowerCase()] ?? whole;
  const point = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
  return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
}
