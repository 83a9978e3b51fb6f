import { PassphraseFile } from '@app/fleet';
import { sha256 } from '@app/platform';

/** Stores rotated passphrases in memory instead of a file. The last one is the current one. */
export class InMemoryPassphraseFile extends PassphraseFile {
  readonly put: string[] = [];
  private staged = '';

  async stage(passphrase: string): Promise<void> {
    this.staged = passphrase;
  }

  async commit(): Promise<string> {
    this.put.push(this.staged);
    this.staged = '';
    return 'in memory';
  }

  async stagedHash(): Promise<string | null> {
    return this.staged === '' ? null : sha256(this.staged).toString('hex');
  }

  async discard(): Promise<void> {
    this.staged = '';
  }
}
