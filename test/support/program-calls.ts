import { registrationOf, type ServerFolder, type ServerProgram } from './server-program.js';

export interface JsonResponse {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Sends a request with a JSON body, if any, to a running program. */
export async function callJson(
  url: string,
  method: string,
  authorization: string,
  body?: unknown,
): Promise<JsonResponse> {
  const response = await fetch(url, {
    method,
    headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as JsonResponse['body'] };
}

export const registerAt = async (folder: ServerFolder, { url }: ServerProgram, hostId: string): Promise<JsonResponse> =>
  callJson(
    `${url}/v1/process-servers/${hostId}`,
    'PUT',
    `Passphrase ${await folder.passphrase()}`,
    registrationOf(hostId),
  );

export const readAt = async (folder: ServerFolder, { url }: ServerProgram, path: string): Promise<JsonResponse> =>
  callJson(`${url}${path}`, 'GET', `Bearer ${await folder.adminKey()}`);
