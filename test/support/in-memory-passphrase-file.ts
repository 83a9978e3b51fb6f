import { PassphraseFile } from '@app/fleet';
import { sha256 } from '@app/platform';

/** Where a rotated passphrase goes, instead of a file: the last one is the one to use. */
export class InMemoryPassphraseFile extends PassphraseFile {
  readonly put: string[] = [];
  private prepared = '';

  async stage(passphrase: string): Promise<void> {
    this.prepared = passphrase;
  }

  async commit(): Promise<string> {
    this.put.push(this.prepared);
    this.prepared = '';
    return 'in memory';
  }

  async stagedHash(): Promise<string | null> {
    return this.prepared === '' ? null : sha256(this.prepared).toString('hex');
  }

  async discard(): Promise<void> {
    this.prepared = '';
  }
}
