import type { RandomSource } from './random-source.js';
import { bytesOf, type Header, type Wire } from './fuzz-request.js';

const MAX_BODY_BYTES = 65_536;
const UNICODE = 'aZ0 é中👩‍🔧\u0000\u0007\u001b\u007f\u0085\u200b\u202e\ufeff\uffff\ud800\udfff𝒳\r\n\t\\"\'%_;';
const SQL = [
  "' OR '1'='1",
  '1; DROP TABLE process_server',
  '" UNION ALL VALUES(1)#',
  '\\',
  '%27%20OR%201=1--',
  '0x31303235',
  '`',
  "x' AND SLEEP(9)-- ",
];
const STRANGE_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'then',
  'toString',
  'hasOwnProperty',
  '__defineGetter__',
  'valueOf',
  '$where',
  '',
  ' ',
  '0',
  'length',
];

const deep = (depth: number, open: string, close: string): string => open.repeat(depth) + '1' + close.repeat(depth);
const json = (value: unknown): string => JSON.stringify(value);

/** Malicious bodies; `fields` are valid fields of the call. */
export const MALICIOUS_BODIES: Readonly<
  Record<string, (fields: Record<string, unknown>, random: RandomSource) => string | Buffer>
> = {
  'deep lists': (_fields, random) => deep(random.oneOf([5, 100, 5_000, 32_000]), '[', ']'),
  'deep objects': (_fields, random) => deep(random.oneOf([5, 100, 5_000]), '{"a":', '}'),
  'a deep field': (fields, random) =>
    withField(
      fields,
      random,
      deep(random.oneOf([3, 4, 5, 1_000]), random.oneOf(['[', '{"a":']), '').replace(/1$/, '') + '1',
    ),
  'a huge number': (fields, random) =>
    withField(
      fields,
      random,
      random.oneOf([
        '1e400',
        '-1e400',
        '9007199254740993',
        '1e-400',
        '9'.repeat(400),
        '-0',
        '0.1e1',
        '4294967296',
        '01',
        '+1',
        '0x10',
        'NaN',
        'Infinity',
        '1.',
      ]),
    ),
  'a strange name': (fields, random) =>
    json(fields).replace(
      /\}$/,
      `${Object.keys(fields).length > 0 ? ',' : ''}${json(random.oneOf(STRANGE_NAMES))}:${random.oneOf(['1', '{"role":"admin"}', '{"__proto__":{"force":true}}', 'null'])}}`,
    ),
  'a strange name within': (fields, random) =>
    withField(fields, random, `{${json(random.oneOf(STRANGE_NAMES))}:{"prototype":{"x":1}}}`),
  'a name twice': (fields) => json(fields).replace(/^\{/, '{"generation":1,"generation":2,"reason":"a",'),
  'strange text': (fields, random) => withField(fields, random, json(random.text(random.integer(1, 200), UNICODE))),
  'SQL in text': (fields, random) => withField(fields, random, json(random.oneOf(SQL))),
  'headers in text': (fields, random) => withField(fields, random, json('x\r\nset-cookie: a=b\r\n\r\n<html>')),
  'more than 64 KiB': (fields, random) =>
    json(fields) + ' '.repeat(random.oneOf([MAX_BODY_BYTES, MAX_BODY_BYTES + 1, 200_000])),
  'just 64 KiB': (fields, random) => json(fields).padEnd(MAX_BODY_BYTES + random.integer(-1, 1), ' '),
  'very many fields': (_fields, random) =>
    json(Object.fromEntries(Array.from({ length: random.integer(100, 4_000) }, (_, number) => [`f${number}`, number]))),
  'a long list': (fields, random) => withField(fields, random, json(Array.from({ length: 5_000 }, () => 1))),
  'cut JSON': (fields, random) => json(fields).slice(0, random.integer(0, json(fields).length - 1)),
  'broken JSON': (_fields, random) =>
    random.oneOf([
      '{',
      '}',
      '[',
      '"',
      'null',
      'true',
      '1',
      '""',
      '[]',
      '{"a":1,}',
      '{a:1}',
      "{'a':1}",
      '\u0000',
      '{"a":\u0001}',
      '{}{}',
      '{} x',
      '//\n{}',
      '\ufeff{}',
    ]),
  'no UTF-8': (fields, random) =>
    Buffer.concat([
      Buffer.from(json(fields).slice(0, -1)),
      random.oneOf([Buffer.from([0xff, 0xfe]), Buffer.from([0xc0, 0xaf]), Buffer.from([0xed, 0xa0, 0x80])]),
      Buffer.from('}'),
    ]),
  'UTF-16': (fields) => Buffer.from(json(fields), 'utf16le'),
  'random bytes': (_fields, random) => random.bytes(random.integer(1, 300)),
};

/** The fields, with one field replaced or added that has this JSON. */
function withField(fields: Record<string, unknown>, random: RandomSource, value: string): string {
  const names = Object.keys(fields);
  const name = names.length > 0 ? random.oneOf(names) : 'reason';
  return `{${Object.entries({ ...fields, [name]: null })
    .map(([one, member]) => `${json(one)}:${one === name ? value : json(member)}`)
    .join(',')}}`;
}

export const MALICIOUS_HEADERS: Readonly<Record<string, (random: RandomSource) => readonly Header[]>> = {
  'another content type': (random) => [
    [
      'content-type',
      random.oneOf([
        'text/plain',
        'application/xml',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'application/json; charset=utf-16',
        'application/jsonx',
        'json',
        '',
        ';',
        'application/json;charset="utf-8"',
        'application/json, text/plain',
        'application/problem+json',
      ]),
    ],
  ],
  'a content coding': (random) => [
    ['content-encoding', random.oneOf(['gzip', 'br', 'deflate', 'identity', 'x', 'gzip, gzip'])],
  ],
  'two content types': () => [
    ['content-type', 'application/json'],
    ['content-type', 'text/plain'],
  ],
  'two authorizations': () => [
    ['authorization', 'Bearer x'],
    ['authorization', 'Passphrase y'],
  ],
  'a strange authorization': (random) => [
    [
      'authorization',
      random.oneOf([
        'Bearer ' + 'a'.repeat(8_000),
        'Bearer \u00ff\u00fe',
        'Bearer  x',
        'Passphrase',
        '\t',
        'Bearer null',
        'Bearer [object Object]',
        'Digest username="x"',
        'Bearer psc_../../x',
        `Bearer csk_${SQL[0]}`,
      ]),
    ],
  ],
  'many headers': (random) =>
    Array.from({ length: random.oneOf([100, 500, 2_500]) }, (_, number) => [`x-${number}`, 'y'] as const),
  'a large header': (random) => [['x-large', 'y'.repeat(random.oneOf([4_000, 16_000, 20_000]))]],
  'forwarding headers': () => [
    ['x-forwarded-for', "127.0.0.1, ' OR 1=1"],
    ['x-forwarded-host', 'evil.example'],
    ['x-http-method-override', 'DELETE'],
    ['x-original-url', '/v1/api-keys'],
  ],
  'strange conditions': (random) => [
    ['if-none-match', random.oneOf(['"', 'W/', '"a"'.repeat(500), '*, *', '\u00e9'])],
    ['range', 'bytes=0-0,1-1'],
    ['accept', random.oneOf(['text/html', '*/*;q=x', 'application/xml'])],
  ],
  'an upgrade': () => [
    ['x-upgrade', 'websocket'],
    ['cookie', '__proto__=1; a=b; a=c'],
    ['prefer', 'return=minimal'],
  ],
};

export const MALICIOUS_TARGETS: Readonly<Record<string, (target: string, random: RandomSource) => string>> = {
  'broken percent encoding': (target, random) =>
    target.replace(
      /[0-9a-f]{4}/,
      random.oneOf(['%', '%zz', '%00', '%c0%af', '%e0%80', '%ff', '%2', '%u0041', '%0d%0aset-cookie:a=b']),
    ),
  'broken encoding in the query': (target, random) =>
    `${target}${target.includes('?') ? '&' : '?'}${random.oneOf(['limit=%', 'cursor=%zz', '%00=%00', 'hostId=%ff', 'friendlyName=%c0%af', '%=1', 'a=%E4'])}`,
  'path traversal': (target, random) =>
    random.oneOf([
      '/../../etc/passwd',
      '/docs/../../../package.json',
      '/docs/%2e%2e/%2e%2e/package.json',
      '/docs/..%2f..%2fpackage.json',
      '/docs/....//x',
      '/v1/..%5c..%5cx',
      `${target}/..`,
      `/.${target}`,
      `/x/..${target}`,
      '/docs/swagger-ui.css/../x',
    ]),
  'a very long path': (target, random) => `${target}/${'a'.repeat(random.oneOf([100, 1_000, 8_000, 15_000, 20_000]))}`,
  'a very long id': (target, random) =>
    target.replace(/[0-9a-f-]{36}/, 'a'.repeat(random.oneOf([37, 101, 1_000, 8_000]))),
  'a very long query': (target, random) =>
    `${target}?cursor=${'A'.repeat(random.oneOf([6_000, 6_001, 9_000, 16_000]))}`,
  'very many parameters': (target, random) =>
    `${target}?${Array.from({ length: random.oneOf([50, 1_000, 1_100]) }, (_, number) => `p${number}=1`).join('&')}`,
  'strange parameters': (target, random) =>
    `${target}?${random.oneOf(STRANGE_NAMES)}=${encodeURIComponent(random.oneOf(SQL))}&limit[]=1&limit[$gt]=1&a.b=1&=&&&`,
  'a parameter twice': (target, random) =>
    `${target}?${random.oneOf(['limit=1&limit=2', 'cursor=a&cursor=b', 'force=true&force=false', 'kind=a&kind=b', 'hostId=1&hostId=2', 'sort=hostId&sort=hostId', 'reason=a&reason=b', 'from=1&from=2'])}`,
  'strange slashes': (target, random) =>
    random.oneOf([
      target.replace(/\//g, '//'),
      `${target}/`,
      target.toUpperCase(),
      `/${target}`,
      target.replace(/^\//, '/%2f'),
      `${target};a=b`,
      target.replace('/v1', '/%76%31'),
    ]),
  'a fragment': (target) => `${target}#x`,
  'unicode in the path': (target, random) => `${target}/${encodeURIComponent(random.text(20, 'é中👩𝒳 ‮'))}`,
  'bare unicode in the path': (target) => `${target}/é中`,
  'SQL in the path': (target, random) => target.replace(/[0-9a-f-]{36}/, encodeURIComponent(random.oneOf(SQL))),
  'a missing id': (target) => target.replace(/[0-9a-f-]{36}/, ''),
};

export const MALICIOUS_METHODS = [
  'FOO',
  'PATCH',
  'OPTIONS',
  'HEAD',
  'TRACE',
  'PROPFIND',
  'get',
  'QUERY',
  'PURGE',
  'M-SEARCH',
  'SEARCH',
  'LINK',
  'X'.repeat(200),
  'CONNECT',
  'PUT',
  'POST',
  'DELETE',
  'GET',
] as const;

const asIs = (text: string, then: Wire['then'] = 'ends', responses = 1): Wire => ({
  bytes: Buffer.from(text, 'latin1'),
  responses,
  then,
});
const headed = (...lines: string[]): string => ['GET /v1/fleet HTTP/1.1', 'host: x', ...lines, '', ''].join('\r\n');

/** Barely HTTP. `whole` is a valid request. */
export const MALICIOUS_WIRES: Readonly<
  Record<string, (whole: Parameters<typeof bytesOf>[0], random: RandomSource) => Wire>
> = {
  'half a request, then silence': (whole, random) => half(whole, random, 'stays'),
  'half a request, then the end': (whole, random) => half(whole, random, 'ends'),
  'half a request, then a reset': (whole, random) => half(whole, random, 'breaks'),
  'a body shorter than its content length': (whole, random) => ({
    ...half(whole, random, random.oneOf(['ends', 'breaks'])),
    bytes: bytesOf({ ...whole, body: null }, [
      ['host', 'x'],
      ['content-length', '50'],
    ]),
  }),
  'a tunnel, then a reset': () => asIs('CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n', 'breaks'),
  'nothing at all': () => asIs('', 'ends', 0),
  'not HTTP': (_whole, random) =>
    asIs(
      random.oneOf([
        '\r\n\r\n',
        '\0\0\0\0',
        'hello\r\n\r\n',
        '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        'GET\r\n\r\n',
        'GET / HTTP/9.9\r\n\r\n',
        'GET /\r\n\r\n',
        'GET  /  HTTP/1.1\r\n\r\n',
        'GET / HTTP/1.1 x\r\n\r\n',
        '{"a":1}\n',
        'EHLO x\r\n',
      ]),
    ),
  'random bytes on the wire': (_whole, random) => ({
    bytes: random.bytes(random.integer(1, 400)),
    responses: 1,
    then: 'ends',
  }),
  'flipped bytes': (whole, random) => {
    const bytes = bytesOf(whole);
    for (let flip = 0; flip < 3; flip += 1)
      bytes[random.integer(0, Math.min(bytes.length, 200) - 1)] = random.integer(0, 255);
    return { bytes, responses: 1, then: 'breaks' };
  },
  'a broken head': (_whole, random) =>
    asIs(
      headed(
        random.oneOf([
          'no-colon',
          ': no-name',
          'a b: c',
          'x: a\0b',
          'x: a\rb',
          ' folded',
          'x: y\n z',
          'content-length: -1',
          'content-length: 1e3',
          'content-length: x',
          'content-length: 99999999999999999999',
          'transfer-encoding: x',
          'x\u00e9: y',
          'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x',
          'connection: upgrade\r\nupgrade: h2c',
          'expect: 200-ok',
          'te: trailers',
        ]),
      ),
    ),
  'no host or two': (_whole, random) =>
    asIs(
      random.oneOf([
        'GET /v1/fleet HTTP/1.1\r\n\r\n',
        headed('host: y'),
        'GET /v1/fleet HTTP/1.0\r\n\r\n',
        'GET /health/live HTTP/1.0\r\n\r\n',
        'GET http://x/health/live HTTP/1.1\r\nhost: y\r\n\r\n',
        'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n',
        'CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n',
      ]),
    ),
  'two lengths': (_whole, random) =>
    asIs(
      [
        'POST /v1/purges HTTP/1.1',
        'host: x',
        'content-type: application/json',
        'content-length: 4',
        random.oneOf([
          'content-length: 5',
          'transfer-encoding: chunked',
          'Transfer-Encoding : chunked',
          'transfer-encoding: chunked, identity',
        ]),
        '',
        '0',
        '',
        'GET /health/live HTTP/1.1',
        'host: x',
        '',
        '',
      ].join('\r\n'),
    ),
  'broken chunks': (whole, random) => ({
    bytes: Buffer.concat([
      bytesOf({ ...whole, body: null }, [
        ['host', 'x'],
        ['connection', 'close'],
        ['transfer-encoding', 'chunked'],
      ]),
      Buffer.from(
        random.oneOf([
          'zz\r\n',
          '-1\r\n',
          '5\r\nabc',
          'ffffffffffffffff\r\n',
          '0\r\nx: y\r\n\r\n',
          '1;a=b\r\n{\r\n0\r\n\r\n',
          '0\r\n\r\n',
          '1\r\n{\r\n1\r\n}\r\n0\r\n\r\n',
        ]),
      ),
    ]),
    responses: 1,
    then: 'ends',
  }),
  'several pipelined requests': (_whole, random) => {
    const parts = Array.from({ length: random.integer(2, 6) }, () =>
      random.oneOf([
        'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n',
        'GET /v1/fleet HTTP/1.1\r\nhost: x\r\n\r\n',
        'POST /v1/purges HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}',
      ]),
    );
    return asIs(parts.join('') + random.oneOf(['', 'x', '\0\r\n\r\n', 'GET /']), 'ends', parts.length);
  },
  'huge headers on the wire': (_whole, random) =>
    asIs(headed(`x: ${'y'.repeat(random.oneOf([15_000, 17_000, 100_000]))}`)),
  'expects to go on': (whole) => ({
    bytes: bytesOf(whole, [
      ['host', 'x'],
      ['connection', 'close'],
      ['expect', '100-continue'],
    ]),
    responses: 1,
    then: 'ends',
  }),
};

function half(whole: Parameters<typeof bytesOf>[0], random: RandomSource, then: Wire['then']): Wire {
  const bytes = bytesOf(whole);
  return { bytes: bytes.subarray(0, random.integer(1, bytes.length - 1)), responses: 1, then };
}
