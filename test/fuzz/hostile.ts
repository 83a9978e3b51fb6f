import type { Draw } from './draw.js';
import { bytesOf, type Header, type Wire } from './fuzz-request.js';

const LARGEST_BODY = 65_536;
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

/** Bodies that mean nothing good; `fields` is what the call would take. */
export const HOSTILE_BODIES: Readonly<
  Record<string, (fields: Record<string, unknown>, draw: Draw) => string | Buffer>
> = {
  'deep lists': (_fields, draw) => deep(draw.oneOf([5, 100, 5_000, 32_000]), '[', ']'),
  'deep objects': (_fields, draw) => deep(draw.oneOf([5, 100, 5_000]), '{"a":', '}'),
  'a deep field': (fields, draw) =>
    withField(fields, draw, deep(draw.oneOf([3, 4, 5, 1_000]), draw.oneOf(['[', '{"a":']), '').replace(/1$/, '') + '1'),
  'a huge number': (fields, draw) =>
    withField(
      fields,
      draw,
      draw.oneOf([
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
  'a strange name': (fields, draw) =>
    json(fields).replace(
      /\}$/,
      `${Object.keys(fields).length > 0 ? ',' : ''}${json(draw.oneOf(STRANGE_NAMES))}:${draw.oneOf(['1', '{"role":"admin"}', '{"__proto__":{"force":true}}', 'null'])}}`,
    ),
  'a strange name within': (fields, draw) =>
    withField(fields, draw, `{${json(draw.oneOf(STRANGE_NAMES))}:{"prototype":{"x":1}}}`),
  'a name twice': (fields) => json(fields).replace(/^\{/, '{"generation":1,"generation":2,"reason":"a",'),
  'strange text': (fields, draw) => withField(fields, draw, json(draw.text(draw.integer(1, 200), UNICODE))),
  'SQL in text': (fields, draw) => withField(fields, draw, json(draw.oneOf(SQL))),
  'headers in text': (fields, draw) => withField(fields, draw, json('x\r\nset-cookie: a=b\r\n\r\n<html>')),
  'more than 64 KiB': (fields, draw) =>
    json(fields) + ' '.repeat(draw.oneOf([LARGEST_BODY, LARGEST_BODY + 1, 200_000])),
  'just 64 KiB': (fields, draw) => json(fields).padEnd(LARGEST_BODY + draw.integer(-1, 1), ' '),
  'very many fields': (_fields, draw) =>
    json(Object.fromEntries(Array.from({ length: draw.integer(100, 4_000) }, (_, number) => [`f${number}`, number]))),
  'a long list': (fields, draw) => withField(fields, draw, json(Array.from({ length: 5_000 }, () => 1))),
  'cut JSON': (fields, draw) => json(fields).slice(0, draw.integer(0, json(fields).length - 1)),
  'broken JSON': (_fields, draw) =>
    draw.oneOf([
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
  'no UTF-8': (fields, draw) =>
    Buffer.concat([
      Buffer.from(json(fields).slice(0, -1)),
      draw.oneOf([Buffer.from([0xff, 0xfe]), Buffer.from([0xc0, 0xaf]), Buffer.from([0xed, 0xa0, 0x80])]),
      Buffer.from('}'),
    ]),
  'UTF-16': (fields) => Buffer.from(json(fields), 'utf16le'),
  'random bytes': (_fields, draw) => draw.bytes(draw.integer(1, 300)),
};

/** The fields with one of them, or one more, holding this JSON. */
function withField(fields: Record<string, unknown>, draw: Draw, value: string): string {
  const names = Object.keys(fields);
  const name = names.length > 0 ? draw.oneOf(names) : 'reason';
  return `{${Object.entries({ ...fields, [name]: null })
    .map(([one, member]) => `${json(one)}:${one === name ? value : json(member)}`)
    .join(',')}}`;
}

export const HOSTILE_HEADERS: Readonly<Record<string, (draw: Draw) => readonly Header[]>> = {
  'another content type': (draw) => [
    [
      'content-type',
      draw.oneOf([
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
  'a content coding': (draw) => [
    ['content-encoding', draw.oneOf(['gzip', 'br', 'deflate', 'identity', 'x', 'gzip, gzip'])],
  ],
  'two content types': () => [
    ['content-type', 'application/json'],
    ['content-type', 'text/plain'],
  ],
  'two authorizations': () => [
    ['authorization', 'Bearer x'],
    ['authorization', 'Passphrase y'],
  ],
  'a strange authorization': (draw) => [
    [
      'authorization',
      draw.oneOf([
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
  'many headers': (draw) =>
    Array.from({ length: draw.oneOf([100, 500, 2_500]) }, (_, number) => [`x-${number}`, 'y'] as const),
  'a large header': (draw) => [['x-large', 'y'.repeat(draw.oneOf([4_000, 16_000, 20_000]))]],
  'forwarding headers': () => [
    ['x-forwarded-for', "127.0.0.1, ' OR 1=1"],
    ['x-forwarded-host', 'evil.example'],
    ['x-http-method-override', 'DELETE'],
    ['x-original-url', '/v1/api-keys'],
  ],
  'strange conditions': (draw) => [
    ['if-none-match', draw.oneOf(['"', 'W/', '"a"'.repeat(500), '*, *', '\u00e9'])],
    ['range', 'bytes=0-0,1-1'],
    ['accept', draw.oneOf(['text/html', '*/*;q=x', 'application/xml'])],
  ],
  'an upgrade': () => [
    ['x-upgrade', 'websocket'],
    ['cookie', '__proto__=1; a=b; a=c'],
    ['prefer', 'return=minimal'],
  ],
};

export const HOSTILE_TARGETS: Readonly<Record<string, (target: string, draw: Draw) => string>> = {
  'broken percent encoding': (target, draw) =>
    target.replace(
      /[0-9a-f]{4}/,
      draw.oneOf(['%', '%zz', '%00', '%c0%af', '%e0%80', '%ff', '%2', '%u0041', '%0d%0aset-cookie:a=b']),
    ),
  'broken encoding in the query': (target, draw) =>
    `${target}${target.includes('?') ? '&' : '?'}${draw.oneOf(['limit=%', 'cursor=%zz', '%00=%00', 'hostId=%ff', 'friendlyName=%c0%af', '%=1', 'a=%E4'])}`,
  'path traversal': (target, draw) =>
    draw.oneOf([
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
  'a very long path': (target, draw) => `${target}/${'a'.repeat(draw.oneOf([100, 1_000, 8_000, 15_000, 20_000]))}`,
  'a very long id': (target, draw) => target.replace(/[0-9a-f-]{36}/, 'a'.repeat(draw.oneOf([37, 101, 1_000, 8_000]))),
  'a very long query': (target, draw) => `${target}?cursor=${'A'.repeat(draw.oneOf([6_000, 6_001, 9_000, 16_000]))}`,
  'very many parameters': (target, draw) =>
    `${target}?${Array.from({ length: draw.oneOf([50, 1_000, 1_100]) }, (_, number) => `p${number}=1`).join('&')}`,
  'strange parameters': (target, draw) =>
    `${target}?${draw.oneOf(STRANGE_NAMES)}=${encodeURIComponent(draw.oneOf(SQL))}&limit[]=1&limit[$gt]=1&a.b=1&=&&&`,
  'a parameter twice': (target, draw) =>
    `${target}?${draw.oneOf(['limit=1&limit=2', 'cursor=a&cursor=b', 'force=true&force=false', 'kind=a&kind=b', 'hostId=1&hostId=2', 'sort=hostId&sort=hostId', 'reason=a&reason=b', 'from=1&from=2'])}`,
  'strange slashes': (target, draw) =>
    draw.oneOf([
      target.replace(/\//g, '//'),
      `${target}/`,
      target.toUpperCase(),
      `/${target}`,
      target.replace(/^\//, '/%2f'),
      `${target};a=b`,
      target.replace('/v1', '/%76%31'),
    ]),
  'a fragment': (target) => `${target}#x`,
  'unicode in the path': (target, draw) => `${target}/${encodeURIComponent(draw.text(20, 'é中👩𝒳 ‮'))}`,
  'bare unicode in the path': (target) => `${target}/é中`,
  'SQL in the path': (target, draw) => target.replace(/[0-9a-f-]{36}/, encodeURIComponent(draw.oneOf(SQL))),
  'a missing id': (target) => target.replace(/[0-9a-f-]{36}/, ''),
};

export const HOSTILE_METHODS = [
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

const asIs = (text: string, then: Wire['then'] = 'ends', answers = 1): Wire => ({
  bytes: Buffer.from(text, 'latin1'),
  answers,
  then,
});
const headed = (...lines: string[]): string => ['GET /v1/fleet HTTP/1.1', 'host: x', ...lines, '', ''].join('\r\n');

/** What is hardly HTTP any more. `whole` is a request that would be understood. */
export const HOSTILE_WIRES: Readonly<Record<string, (whole: Parameters<typeof bytesOf>[0], draw: Draw) => Wire>> = {
  'half a request, then silence': (whole, draw) => half(whole, draw, 'stays'),
  'half a request, then the end': (whole, draw) => half(whole, draw, 'ends'),
  'half a request, then a reset': (whole, draw) => half(whole, draw, 'breaks'),
  'a body that is shorter than it says': (whole, draw) => ({
    ...half(whole, draw, draw.oneOf(['ends', 'breaks'])),
    bytes: bytesOf({ ...whole, body: null }, [
      ['host', 'x'],
      ['content-length', '50'],
    ]),
  }),
  'a tunnel, then a reset': () => asIs('CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n', 'breaks'),
  'nothing at all': () => asIs('', 'ends', 0),
  'not HTTP': (_whole, draw) =>
    asIs(
      draw.oneOf([
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
  'random bytes on the wire': (_whole, draw) => ({ bytes: draw.bytes(draw.integer(1, 400)), answers: 1, then: 'ends' }),
  'flipped bytes': (whole, draw) => {
    const bytes = bytesOf(whole);
    for (let flip = 0; flip < 3; flip += 1)
      bytes[draw.integer(0, Math.min(bytes.length, 200) - 1)] = draw.integer(0, 255);
    return { bytes, answers: 1, then: 'breaks' };
  },
  'a broken head': (_whole, draw) =>
    asIs(
      headed(
        draw.oneOf([
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
  'no host or two': (_whole, draw) =>
    asIs(
      draw.oneOf([
        'GET /v1/fleet HTTP/1.1\r\n\r\n',
        headed('host: y'),
        'GET /v1/fleet HTTP/1.0\r\n\r\n',
        'GET /health/live HTTP/1.0\r\n\r\n',
        'GET http://x/health/live HTTP/1.1\r\nhost: y\r\n\r\n',
        'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n',
        'CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n',
      ]),
    ),
  'two lengths': (_whole, draw) =>
    asIs(
      [
        'POST /v1/purges HTTP/1.1',
        'host: x',
        'content-type: application/json',
        'content-length: 4',
        draw.oneOf([
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
  'broken chunks': (whole, draw) => ({
    bytes: Buffer.concat([
      bytesOf({ ...whole, body: null }, [
        ['host', 'x'],
        ['connection', 'close'],
        ['transfer-encoding', 'chunked'],
      ]),
      Buffer.from(
        draw.oneOf([
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
    answers: 1,
    then: 'ends',
  }),
  'several requests at once': (_whole, draw) => {
    const parts = Array.from({ length: draw.integer(2, 6) }, () =>
      draw.oneOf([
        'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n',
        'GET /v1/fleet HTTP/1.1\r\nhost: x\r\n\r\n',
        'POST /v1/purges HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}',
      ]),
    );
    return asIs(parts.join('') + draw.oneOf(['', 'x', '\0\r\n\r\n', 'GET /']), 'ends', parts.length);
  },
  'huge headers on the wire': (_whole, draw) => asIs(headed(`x: ${'y'.repeat(draw.oneOf([15_000, 17_000, 100_000]))}`)),
  'expects to go on': (whole) => ({
    bytes: bytesOf(whole, [
      ['host', 'x'],
      ['connection', 'close'],
      ['expect', '100-continue'],
    ]),
    answers: 1,
    then: 'ends',
  }),
};

function half(whole: Parameters<typeof bytesOf>[0], draw: Draw, then: Wire['then']): Wire {
  const bytes = bytesOf(whole);
  return { bytes: bytes.subarray(0, draw.integer(1, bytes.length - 1)), answers: 1, then };
}
