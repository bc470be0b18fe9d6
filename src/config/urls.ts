/**
 * The three URLs of the configuration. Every function returns either the parsed URL or `{ wrong }`, a sentence
 * about it. That sentence never quotes the URL: it may hold a password.
 */
export type Parsed<T> = T | { readonly wrong: string };

export interface SourceUrls {
  /** Without credentials and trailing slash. */
  readonly urls: readonly string[];
  readonly username?: string;
  readonly password?: string;
}

export interface TrackingUrl {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly database: string;
  readonly socketPath?: string;
}

export type TargetUrl =
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }
  | { readonly kind: 'file'; readonly directory: string };

const SOURCE_FORM = 'give http(s)://host:9200, or a list of them';
const TRACKING_FORM =
  'give mysql://user@host:3306/database and the password in ES_MIGRATE_TRACKING_PASSWORD';

/** Nodes of one cluster. Credentials in a URL are taken out of it; they must be the same in all. */
export function parseSourceUrls(texts: readonly string[]): Parsed<SourceUrls> {
  if (texts.length === 0) return { wrong: `is empty; ${SOURCE_FORM}` };
  const urls: string[] = [];
  const credentials = new Map<string, { username: string; password: string }>();
  for (const [at, text] of texts.entries()) {
    const nth = texts.length > 1 ? `URL ${at + 1} ` : '';
    const url = tryUrl(text);
    if (url === undefined || !/^https?:$/.test(url.protocol) || !/^https?:\/\//i.test(text)) {
      return { wrong: `${nth}is not an http or https URL; ${SOURCE_FORM}` };
    }
    if (url.search !== '' || url.hash !== '')
      return { wrong: `${nth}has a query or fragment; ${SOURCE_FORM}` };
    const [username, password] = [decode(url.username), decode(url.password)];
    if (username === undefined || password === undefined) {
      return { wrong: `${nth}has credentials that are not percent-encoded properly` };
    }
    if (username !== '') credentials.set(`${username}\0${password}`, { username, password });
    else if (password !== '') return { wrong: `${nth}has a password but no user name` };
    [url.username, url.password] = ['', ''];
    urls.push(url.href.replace(/\/+$/, ''));
  }
  if (credentials.size > 1)
    return { wrong: 'has different credentials for its nodes; use one user for all' };
  return { urls, ...credentials.values().next().value };
}

/** `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`, or the same at another server. */
export function parseQueueUrl(text: string): Parsed<string> {
  const url = tryUrl(text);
  const form = 'give https://sqs.REGION.amazonaws.com/ACCOUNT/NAME, as SQS shows it';
  if (url === undefined || !/^https?:\/\//i.test(text))
    return { wrong: `is not an http or https URL; ${form}` };
  if (url.username !== '' || url.password !== '')
    return { wrong: 'has credentials; leave them to the AWS SDK' };
  if (url.search !== '' || url.hash !== '' || !/^\/[^/]+\/[^/]+$/.test(url.pathname))
    return { wrong: `names no queue; ${form}` };
  return url.pathname.endsWith('.fifo')
    ? { wrong: 'is a FIFO queue; batches need no order, make it a standard queue' }
    : url.href;
}

/** `mysql://user:password@host:port/database?socketPath=/run/mysqld.sock`; port 3306 where left out. */
export function parseTrackingUrl(text: string): Parsed<TrackingUrl> {
  const url = tryUrl(text);
  if (url === undefined || !/^(mysql|mariadb):\/\//.test(text)) {
    return { wrong: `is not a mysql:// URL; ${TRACKING_FORM}` };
  }
  const socketPath = url.searchParams.get('socketPath') ?? undefined;
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'socketPath');
  if (unknown !== undefined)
    return { wrong: 'has a parameter other than socketPath; TLS is set by tracking.tls' };
  if (url.hash !== '') return { wrong: `has a '#'; write it as %23. ${TRACKING_FORM}` };
  const parts = [url.username, url.password, url.pathname.replace(/^\//, '')].map(decode);
  const [user, password, database] = parts;
  if (user === undefined || password === undefined || database === undefined) {
    return { wrong: "has a '%' that is not followed by two hex digits; write it as %25" };
  }
  if (user === '') return { wrong: `names no user; ${TRACKING_FORM}` };
  if (database === '' || database.includes('/'))
    return { wrong: `names no database; ${TRACKING_FORM}` };
  if (url.hostname === '' && socketPath === undefined)
    return { wrong: `names no host; ${TRACKING_FORM}` };
  return {
    host: url.hostname === '' ? 'localhost' : url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 3306 : Number(url.port),
    user,
    database,
    ...(password !== '' && { password }),
    ...(socketPath !== undefined && { socketPath }),
  };
}

/** `s3://bucket/prefix` or `file:///absolute/directory`. */
export function parseTargetUrl(text: string): Parsed<TargetUrl> {
  if (text.startsWith('s3://')) return parseS3Url(text.slice('s3://'.length));
  if (text.startsWith('file:')) return parseFileUrl(text);
  if (text.startsWith('/')) return { wrong: `is a path; write file://${text}` };
  return { wrong: 'is neither s3://bucket/prefix nor file:///absolute/directory' };
}

function parseS3Url(rest: string): Parsed<TargetUrl> {
  const slash = rest.indexOf('/');
  const bucket = slash < 0 ? rest : rest.slice(0, slash);
  const prefix = slash < 0 ? '' : rest.slice(slash + 1).replace(/^\/+|\/+$/g, '');
  if (bucket.includes('@')) {
    return {
      wrong: 'has credentials; leave them to the AWS SDK (AWS_PROFILE, AWS_ACCESS_KEY_ID, a role)',
    };
  }
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    return { wrong: 'names no valid bucket; give s3://bucket/prefix (3 to 63 of a-z 0-9 . -)' };
  }
  if (bucket.endsWith('--x-s3')) {
    return {
      wrong:
        'names a directory bucket (S3 Express), whose listings have no order; give a general purpose bucket',
    };
  }
  if (prefix.split('/').some((part) => part === '.' || part === '..') || prefix.includes('//')) {
    return { wrong: "has a prefix with an empty, '.' or '..' segment; give s3://bucket/prefix" };
  }
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(prefix))
    return { wrong: 'has a control character in its prefix' };
  return { kind: 's3', bucket, prefix };
}

function parseFileUrl(text: string): Parsed<TargetUrl> {
  const relative = {
    wrong: 'is not absolute; give file:///absolute/directory, with three slashes',
  };
  if (!text.startsWith('file://')) return relative;
  const rest = text.slice('file://'.length).replace(/^localhost(?=\/)/, '');
  if (!rest.startsWith('/')) return relative;
  const url = tryUrl(`file://${rest}`);
  const directory = url === undefined ? undefined : decode(url.pathname);
  if (url === undefined || directory === undefined || directory.includes('\0')) {
    return { wrong: "has a '%' that is not followed by two hex digits; write it as %25" };
  }
  if (url.search !== '' || url.hash !== '')
    return { wrong: "has a '?' or '#'; write them as %3F and %23" };
  return { kind: 'file', directory: directory === '/' ? '/' : directory.replace(/\/+$/, '') };
}

function tryUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
