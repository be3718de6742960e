import { type LookupAddress, type LookupAllOptions, type LookupOptions, lookup } from 'node:dns';
import ipaddr from 'ipaddr.js';

/** The connection leads to an address that is not allowed. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
  constructor(host: string) {
    super(
      `The image's host "${host}" is not a public address; this server fetches from those only.`,
    );
  }
}

const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3');

/**
 * True for addresses of the public internet. Loopback, private, link-local (with the clouds' metadata services),
 * carrier-grade NAT, multicast, reserved and the IPv6 ranges that wrap an IPv4 address are not.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  // `process` turns an IPv4-mapped IPv6 address into the IPv4 address it leads to.
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  // Of IPv6 only this block is assigned; the rest is reserved.
  return parsed.kind() === 'ipv4' || parsed.match(GLOBAL_IPV6);
}

/** Says whether an IP address may be connected to. */
export type AddressRule = (address: string) => boolean;

/** Node's `dns.lookup`, asked for all addresses. */
export type Resolver = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

interface LookupRequest {
  readonly hostname: string;
  readonly options: LookupOptions;
  readonly isAllowed: AddressRule;
  readonly resolve?: Resolver | undefined;
}

type LookupCallback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

/**
 * Node's `dns.lookup` that rejects a name where one of its addresses is not allowed. The connection uses the addresses
 * that it returns, so checking and connecting cannot see different ones.
 */
export function lookupAllowed(request: LookupRequest, callback: LookupCallback): void {
  const { hostname, options, isAllowed, resolve = lookup } = request;
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, []);
      return;
    }
    const [first] = addresses;
    if (first === undefined || !addresses.every(({ address }) => isAllowed(address))) {
      callback(new ForbiddenAddressError(hostname), []);
    } else if (options.all === true) {
      callback(null, addresses);
    } else {
      callback(null, first.address, first.family);
    }
  });
}
