import { BlockList, isIP } from 'node:net';

/** The addresses and networks of the proxies whose client headers are trusted. */
export class TrustedProxies {
  private readonly list = new BlockList();
  private isEmpty = true;

  /**
   * Parses comma-separated addresses and CIDR networks, IPv4 and IPv6; an empty text trusts no proxy.
   * @throws Error that names the first invalid entry.
   */
  static parse(text: string): TrustedProxies {
    const proxies = new TrustedProxies();
    for (const entry of text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean))
      proxies.add(entry);
    return proxies;
  }

  /** `address` must be in its canonical form. */
  includes(address: string): boolean {
    return !this.isEmpty && this.list.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }

  private add(entry: string): void {
    const [, address = '', prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
    const family = isIP(address);
    const bits = family === 4 ? 32 : 128;
    if (family === 0 || address.includes('%') || Number(prefix ?? 0) > bits)
      throw new Error(`"${entry}" is neither an address nor a CIDR network`);
    this.list.addSubnet(address, Number(prefix ?? bits), family === 4 ? 'ipv4' : 'ipv6');
    this.isEmpty = false;
  }
}
