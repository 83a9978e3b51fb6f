/** Complete HTTP requests as bytes, created before the measurement. */
const LOAD = {
  cpuPercent: 37.5,
  totalMemoryBytes: 17_179_869_184,
  availableMemoryBytes: 8_589_934_592,
  totalCacheBytes: 644_245_094_400,
  freeCacheBytes: 500_000_000_000,
  throughputBytesPerSecond: 12_000_000,
  pendingUploadBytes: 1_000_000,
};

function request(method, path, authorization, body) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const head = [`${method} ${path} HTTP/1.1`, 'host: 127.0.0.1'];
  if (authorization) head.push(`authorization: ${authorization}`);
  if (body !== undefined) head.push('content-type: application/json', `content-length: ${Buffer.byteLength(text)}`);
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`);
}

/** Every second heartbeat has a load report. */
export const heartbeats = (sample) =>
  sample.map(({ hostId, credential, generation, machineId, instanceId, agentVersion }, index) =>
    request('POST', `/v1/process-servers/${hostId}/heartbeats`, `Bearer ${credential}`, {
      generation,
      machineId,
      instanceId,
      agentVersion,
      sentAt: '2026-11-24T09:00:30Z',
      ...(index % 2 === 1 && { load: { ...LOAD, cpuPercent: index % 80 } }),
    }),
  );

export const registrations = (hosts, passphrase) =>
  hosts.map(({ hostId, number }) =>
    request('PUT', `/v1/process-servers/${hostId}`, `Passphrase ${passphrase}`, {
      friendlyName: `ps-new-${number}`,
      ipAddress: `10.${number % 200}.${Math.floor(number / 200) % 200}.${Math.floor(number / 40_000)}`,
      osType: 'Windows',
      osVersion: 'Server 2022',
      agentVersion: '1.0.0.0',
      machineId: hostId,
      environment: 'VMware',
      cpuCores: 8,
      memoryBytes: 17_179_869_184,
      cacheDiskBytes: 644_245_094_400,
    }),
  );

export const gets = (path, key) => [request('GET', path, `Bearer ${key}`)];

const base64 = (text) => Buffer.from(text).toString('base64');

/** A put with as much data as the server stores for a heartbeat, through etcd's JSON gateway. */
export const etcdPuts = (sample) =>
  sample.map(({ hostId }, index) =>
    request('POST', '/v3/kv/put', null, {
      key: base64(hostId),
      value: base64(JSON.stringify({ at: '2026-11-24T09:00:30Z', endsMs: 180_000, toldSeconds: 30, index })),
    }),
  );

export const etcdKeepAlives = (leaseIds) => leaseIds.map((ID) => request('POST', '/v3/lease/keepalive', null, { ID }));
