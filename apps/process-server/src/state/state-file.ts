import { createHash } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { configurationError } from '../output/agent-error.js';
import { readIfPresent, replaceDurably } from './durable-file.js';
import { assertStateFolder, openStateFolder, unusableFolder } from './state-folder.js';
import type { AgentState } from './agent-state.js';

const FILE = 'state.json';
const PREVIOUS = 'state.previous.json';
const CORRUPT = 'state.corrupt-';

export interface ReadState {
  /** Null if nothing is installed. */
  readonly state: AgentState | null;
  /** What was repaired, for the operator; null if the file was sound. */
  readonly repair: string | null;
}

const checksum = (text: string): string => createHash('sha256').update(text).digest('hex');

export function encodeState(state: AgentState): string {
  const text = JSON.stringify(state, null, 2);
  return `${checksum(text)}\n${text}\n`;
}

/** Null if the text is not what `encodeState` returns. */
export function decodeState(encoded: string): AgentState | null {
  const end = encoded.indexOf('\n');
  const text = encoded.slice(end + 1, -1);
  return end > 0 && checksum(text) === encoded.slice(0, end) ? (JSON.parse(text) as AgentState) : null;
}

/** The state of the agent in its folder. One process writes at a time: see `lockState`. */
export class StateFile {
  constructor(readonly folder: string) {}

  async write(state: AgentState): Promise<void> {
    await openStateFolder(this.folder);
    const owner = await assertStateFolder(this.folder);
    try {
      await replaceDurably(join(this.folder, FILE), encodeState(state), {
        previousPath: join(this.folder, PREVIOUS),
        owner,
      });
    } catch (error) {
      throw unusableFolder(this.folder, error);
    }
  }

  /**
   * Reads the state. A corrupt file is set aside, and the previous one is used: its registration may have been replaced, so the agent
   * registers again.
   * @throws AgentError (configuration) if no sound copy is left.
   */
  async read({ repairs = true } = {}): Promise<ReadState> {
    await assertStateFolder(this.folder);
    const current = await this.readCopy(FILE);
    if (current.state) return { state: current.state, repair: null };
    const previous = await this.readCopy(PREVIOUS);
    const corrupt = [
      ...(current.isPresent ? [FILE] : []),
      ...(previous.isPresent && !previous.state ? [PREVIOUS] : []),
    ];
    const setAside = repairs ? await this.setAside(corrupt) : corrupt.map((name) => join(this.folder, name));
    if (previous.state) {
      const state = { ...previous.state, isRegistering: true };
      if (repairs) await this.write(state);
      const cause = current.isPresent
        ? `${FILE} is corrupt and was set aside as ${setAside.join(', ')}`
        : `${FILE} is missing`;
      return { state, repair: `${cause}; the previous copy is used, and the agent registers again.` };
    }
    const lost = setAside.length > 0 ? setAside : await this.earlierCorrupt();
    if (lost.length === 0) return { state: null, repair: null };
    throw configurationError(
      'state_corrupt',
      `The state is corrupt and no sound copy is left: ${lost.join(', ')}.`,
      'Restore state.json from a backup. Otherwise run "process-server reset" and install again: the machine gets a new host id, and the entry of the old one has to be purged.',
    );
  }

  /** Removes the state and every copy of it. */
  async remove(): Promise<void> {
    for (const name of await this.names()) {
      if (/^(state|daemon)\./.test(name)) await rm(join(this.folder, name), { force: true });
    }
  }

  private async readCopy(name: string): Promise<{ readonly isPresent: boolean; readonly state: AgentState | null }> {
    const text = await readIfPresent(join(this.folder, name)).catch((error: unknown) => {
      throw unusableFolder(this.folder, error);
    });
    return { isPresent: text !== null, state: text === null ? null : decodeState(text) };
  }

  private async setAside(names: readonly string[]): Promise<string[]> {
    const time = new Date().toISOString().replace(/\D/g, '').slice(0, 17);
    const paths: string[] = [];
    for (const name of names) {
      const path = join(this.folder, `${CORRUPT}${time}-${basename(name)}`);
      await rename(join(this.folder, name), path);
      paths.push(path);
    }
    return paths;
  }

  private async earlierCorrupt(): Promise<string[]> {
    return (await this.names()).filter((name) => name.startsWith(CORRUPT)).map((name) => join(this.folder, name));
  }

  private async names(): Promise<string[]> {
    return readdir(this.folder).catch(() => []);
  }
}
