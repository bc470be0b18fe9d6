import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Whether a host is this machine: 127/8, ::1 (also in brackets) or localhost. Other names are not looked up: an answer of a
 * name server proves nothing.
 */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const family = isIP(name);
  if (family === 0) return name === 'localhost';
  return loopback.check(name, family === 6 ? 'ipv6' : 'ipv4');
}

/** The host of an `http://` URL beyond this machine: what is sent there can be read on the way. Else undefined. */
export function unencryptedHost(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !isLoopback(hostname) ? hostname : undefined;
}
