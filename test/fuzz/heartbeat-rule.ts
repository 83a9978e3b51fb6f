import { plain, type Operation } from './contract.js';
import type { FuzzResponse, FuzzRequest } from './fuzz-request.js';

const HEARTBEAT = 'POST /v1/process-servers/{hostId}/heartbeats';
const MAX_GENERATION = 2 ** 32 - 1;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * What is wrong with the answer to a heartbeat: only a body that is no JSON object or names no usable generation is refused for what it
 * holds, and the response to an accepted one names members that the document does not. Null for every other call.
 */
export function heartbeatRuleViolation(
  { target, body }: FuzzRequest,
  { status, text }: FuzzResponse,
  { name, body: stated }: Operation,
): string | null {
  if (name !== HEARTBEAT || !body || (status !== 200 && status !== 400)) return null;
  const sent = jsonOf(body);
  const { code, ignored = [] } = JSON.parse(text) as { code?: string; ignored?: unknown[] };
  if (code === 'malformed_json') return sent === undefined ? null : 'a heartbeat in JSON was refused as none';
  const isObject = typeof sent === 'object' && sent !== null && !Array.isArray(sent);
  const members = isObject ? new Map(Object.entries(sent)) : new Map<string, unknown>();
  const generation = members.get('generation');
  const isUsable = Number.isInteger(generation) && Number(generation) >= 1 && Number(generation) <= MAX_GENERATION;
  if (code === 'validation_failed') {
    const isOfHost = UUID.test(decodeURIComponent(target.split(/[/?]/)[3] ?? ''));
    return isUsable && isOfHost && !target.includes('?')
      ? `a heartbeat was refused for what it reports: ${text}`
      : null;
  }
  if (status !== 200) return null;
  if (!isUsable) return 'a heartbeat without a usable generation was accepted';
  const known = plain(stated ?? {}).properties ?? {};
  const isUnknown = [...members.keys()].some((member) => !Object.hasOwn(known, member));
  return isUnknown && ignored.length === 0 ? 'a heartbeat with an unknown member was accepted without naming it' : null;
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(strictUtf8.decode(body)) as unknown;
  } catch {
    return undefined;
  }
}
