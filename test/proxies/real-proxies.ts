import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';

/** The source address of the proxies, the only one that the server trusts. */
export const PROXY = '127.0.0.2';

/** The ports of the server, by the expected format of the client address. */
export interface Backends {
  readonly xForwardedFor: number;
  readonly forwarded: number;
  readonly proxyProtocol: number;
  readonly proxyProtocolTls: number;
}

/** The routes through a proxy, with the port to connect to. */
export type Routes = Readonly<
  Record<
    | 'nginxXForwardedFor'
    | 'nginxForwarded'
    | 'haproxyHttp'
    | 'haproxySendProxy'
    | 'haproxySendProxyV2'
    | 'haproxySendProxyV2Tls',
    number
  >
>;

interface Programs {
  readonly haproxy: string;
  readonly nginx: string;
  readonly environment: Record<string, string>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

function nginxConfiguration(
  folder: string,
  { nginxXForwardedFor, nginxForwarded }: Routes,
  { xForwardedFor, forwarded }: Backends,
): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(folder, kind)};`)
    .join('\n  ');
  const server = (name: string, port: number, backend: number, headers: string): string => `
  upstream ${name} { server 127.0.0.1:${backend}; keepalive 4; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://${name}; proxy_bind ${PROXY}; proxy_http_version 1.1; proxy_set_header Connection ""; ${headers} }
  }`;
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary}
  ${server('by_x_forwarded_for', nginxXForwardedFor, xForwardedFor, 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;')}
  ${server('by_forwarded', nginxForwarded, forwarded, 'proxy_set_header Forwarded "$http_forwarded, for=$remote_addr;proto=$scheme";')}
}
`;
}

function haproxyConfiguration(
  { haproxyHttp, haproxySendProxy, haproxySendProxyV2, haproxySendProxyV2Tls }: Routes,
  { xForwardedFor, proxyProtocol, proxyProtocolTls }: Backends,
): string {
  const listen = (name: string, mode: string, port: number, backend: number, server: string): string => `
listen ${name}
  mode ${mode}
  bind 127.0.0.1:${port}
  source ${PROXY}
  ${mode === 'http' ? 'option forwardfor' : ''}
  server cs 127.0.0.1:${backend} ${server}
`;
  return `
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
${listen('http', 'http', haproxyHttp, xForwardedFor, '')}
${listen('send-proxy', 'tcp', haproxySendProxy, proxyProtocol, 'send-proxy check')}
${listen('send-proxy-v2', 'tcp', haproxySendProxyV2, proxyProtocol, 'send-proxy-v2 check')}
${listen('send-proxy-v2-tls', 'tcp', haproxySendProxyV2Tls, proxyProtocolTls, 'send-proxy-v2 check')}
`;
}

/** nginx and HAProxy in front of the server, on loopback. */
export class RealProxies {
  output = '';

  private constructor(
    readonly routes: Routes,
    private readonly processes: readonly ChildProcess[],
  ) {}

  static async start(folder: string, backends: Backends): Promise<RealProxies> {
    const { haproxy, nginx, environment } = JSON.parse(process.env['PROXY_PROGRAMS'] ?? '{}') as Programs;
    const routes: Routes = {
      nginxXForwardedFor: await freePort(),
      nginxForwarded: await freePort(),
      haproxyHttp: await freePort(),
      haproxySendProxy: await freePort(),
      haproxySendProxyV2: await freePort(),
      haproxySendProxyV2Tls: await freePort(),
    };
    mkdirSync(folder, { recursive: true });
    const [nginxFile, haproxyFile] = [join(folder, 'nginx.conf'), join(folder, 'haproxy.cfg')];
    writeFileSync(nginxFile, nginxConfiguration(folder, routes, backends));
    writeFileSync(haproxyFile, haproxyConfiguration(routes, backends));
    const env = { ...process.env, ...environment };
    const proxies = new RealProxies(routes, [
      spawn(nginx, ['-p', folder, '-e', 'stderr', '-c', nginxFile], { env, stdio: ['ignore', 'pipe', 'pipe'] }),
      spawn(haproxy, ['-f', haproxyFile, '-db'], { env, stdio: ['ignore', 'pipe', 'pipe'] }),
    ]);
    for (const { stdout, stderr } of proxies.processes)
      for (const stream of [stdout, stderr]) stream?.on('data', (text) => (proxies.output += String(text)));
    try {
      for (const port of Object.values(routes))
        await eventually(`a proxy listens on ${port}`, 20_000, () => isListening(port));
    } catch (error) {
      await proxies.stop();
      throw new Error(proxies.output, { cause: error });
    }
    return proxies;
  }

  async stop(): Promise<void> {
    for (const child of this.processes) {
      if (child.exitCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });
}
