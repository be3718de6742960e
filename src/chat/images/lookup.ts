import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import ipaddr from 'ipaddr.js';

/** The connection was refused because of where it leads. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
  constructor(host: string) {
    super(
      `The picture's host "${host}" is not a public address; this server fetches from those only.`,
    );
  }
}

/**
 * True for addresses of the public internet. Loopback, private, link-local (with the clouds' metadata services),
 * carrier-grade NAT, multicast, reserved and the IPv6 ranges that wrap an IPv4 address are not.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  // `process` turns an IPv4-mapped IPv6 address into the IPv4 address it leads to.
  return ipaddr.process(address).range() === 'unicast';
}

/** Says whether an IP address may be connected to. */
export type AddressRule = (address: string) => boolean;

interface LookupRequest {
  readonly hostname: string;
  readonly options: LookupOptions;
  readonly isAllowed: AddressRule;
}

type LookupCallback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

/**
 * Node's `dns.lookup` that refuses a name as soon as one of its addresses is not allowed. The addresses handed back
 * are those connected to, so checking and connecting cannot see different ones.
 */
export function lookupAllowed(request: LookupRequest, callback: LookupCallback): void {
  const { hostname, options, isAllowed } = request;
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
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
