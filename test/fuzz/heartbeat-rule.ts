import { plain, type Operation } from './contract.js';
import type { FuzzResponse, FuzzRequest } from './fuzz-request.js';

const HEARTBEAT = 'POST /v1/process-servers/{hostId}/heartbeats';
const MAX_GENERATION = 2 ** 32 - 1;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Checks the response to a heartbeat: the content of a body is a reason for a rejection only if it is not a JSON object or has no
 * usable generation, and an accepted response names undocumented members. Null for every other call.
 */
export function heartbeatRuleViolation(
  { target, body }: FuzzRequest,
  { status, text }: FuzzResponse,
  { name, body: stated }: Operation,
): string | null {
  if (name !== HEARTBEAT || !body || (status !== 200 && status !== 400)) return null;
  const sent = jsonOf(body);
  const { code, ignored = [] } = JSON.parse(text) as { code?: string; ignored?: unknown[] };
  if (code === 'malformed_json')
    return sent === undefined ? null : 'a heartbeat in valid JSON was rejected as malformed';
  const isObject = typeof sent === 'object' && sent !== null && !Array.isArray(sent);
  const members = isObject ? new Map(Object.entries(sent)) : new Map<string, unknown>();
  const generation = members.get('generation');
  const isUsable = Number.isInteger(generation) && Number(generation) >= 1 && Number(generation) <= MAX_GENERATION;
  if (code === 'validation_failed') {
    const isOfHost = UUID.test(decodeURIComponent(target.split(/[/?]/)[3] ?? ''));
    return isUsable && isOfHost && !target.includes('?')
      ? `a heartbeat was rejected because of its report: ${text}`
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
