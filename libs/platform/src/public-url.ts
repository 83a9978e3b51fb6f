/** Names or addresses, port and scheme of PUBLIC_URL. */
export interface PublicUrl {
  readonly addresses: readonly string[];
  readonly port: number;
  readonly tls: boolean;
}

/** Parses comma-separated URLs of one server. @throws Error with the reason. */
export function parsePublicUrl(text: string): PublicUrl {
  const urls = text.split(',').map((part) => parsedUrl(part.trim()));
  const [first] = urls;
  if (!first) throw new Error('it is not a URL');
  if (urls.some(({ port, tls }) => port !== first.port || tls !== first.tls))
    throw new Error('all URLs need the same scheme and port');
  return { addresses: urls.map(({ address }) => address), port: first.port, tls: first.tls };
}

function parsedUrl(text: string): { readonly address: string; readonly port: number; readonly tls: boolean } {
  if (!URL.canParse(text)) throw new Error(`"${text}" is not a URL`);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error('the scheme must be http or https');
  if (url.username || url.password || url.pathname !== '/' || url.search || url.hash)
    throw new Error('only scheme, address and port are allowed');
  const tls = url.protocol === 'https:';
  return { address: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || (tls ? 443 : 80), tls };
}
