import { describe, expect, it } from '@jest/globals';
import { AgentError } from '../output/agent-error.js';
import { parseCommandLine } from './parse.js';

const parsed = (...args: string[]) => {
  const { command, values } = parseCommandLine(args);
  return { command, ...Object.fromEntries(values) };
};

describe('parseCommandLine', () => {
  it.each([
    [[], { command: null }],
    [['--help'], { command: null, help: '' }],
    [['-h'], { command: null, help: '' }],
    [['status', '--json'], { command: 'status', json: '' }],
    [['STATUS'], { command: 'status' }],
    [['register', '--CS-Address', 'cs'], { command: 'install', 'cs-address': 'cs' }],
    [['install', '--cs-address=cs', '--cs-port=8443'], { command: 'install', 'cs-address': 'cs', 'cs-port': '8443' }],
    [['install', '--name=a=b'], { command: 'install', name: 'a=b' }],
    [['install', '--passphrase-file', '/etc/pass'], { command: 'install', 'passphrase-file': '/etc/pass' }],
    [['install', '--enrolment-file', 'e'], { command: 'install', 'vault-creds-file': 'e' }],
    [
      ['unregister', '--force', '--reason', 'replaced by another'],
      { command: 'unregister', force: '', reason: 'replaced by another' },
    ],
    [['/?'], { command: 'install', help: '' }],
  ])('reads %j', (args, result) => {
    expect(parsed(...args)).toEqual(result);
  });

  const INSTALLER =
    '/ServerMode PS /InstallDrive D:\\ /VaultCredsFilePath D:\\creds /EnvType VMWare /PSIP 10.101.23.145 /CSIP 10.101.24.126 ' +
    '/PassphraseFilePath D:\\pass /DataTransferSecurePort 9443 /SkipSpaceCheck /AcceptThirdpartyEULA /ProxySettingsFilePath D:\\proxy';
  const OPTIONS = {
    command: 'install',
    'server-mode': 'PS',
    'install-location': 'D:\\',
    'vault-creds-file': 'D:\\creds',
    'env-type': 'VMWare',
    'ps-ip': '10.101.23.145',
    'cs-address': '10.101.24.126',
    'passphrase-file': 'D:\\pass',
    'data-port': '9443',
    'skip-space-check': '',
    'accept-third-party-eula': '',
    'proxy-settings-file': 'D:\\proxy',
  };
  const withNames = (change: (name: string) => string): string[] =>
    INSTALLER.split(' ').map((arg) => (arg.startsWith('/') ? change(arg) : arg));

  it.each([
    ['as printed', (name: string) => name],
    ['in capitals', (name: string) => name.toUpperCase()],
    ['in small letters', (name: string) => name.toLowerCase()],
  ])("reads the original installer's command line %s", (_case, change) => {
    expect(parsed(...withNames(change))).toEqual(OPTIONS);
    expect(parsed('install', ...withNames(change))).toEqual(OPTIONS);
  });

  it.each([
    [['instal'], 'instal', '"instal" is not a command. The commands are install, run, '],
    [['install', '--cs-adress', 'x'], '--cs-adress', '--cs-adress is not an option of this command. '],
    [['install', '/CSIPS', 'x'], '/CSIPS', '/CSIPS is not an option of this command. '],
    [['install', '--cs-address'], '--cs-address', '--cs-address needs a value: NAME.'],
    [['install', '--cs-address='], '--cs-address', '--cs-address needs a value: NAME.'],
    [['/CSIP'], '/CSIP', '/CSIP needs a value: NAME.'],
    [['/CSIP', 'a', '--cs-address', 'b'], '--cs-address', '--cs-address is given twice.'],
    [['status', '--json=yes'], '--json', '--json takes no value.'],
    [['status', 'now'], 'now', '"now" is not expected here.'],
    [['/ServerMode', 'PS', '/MySQLCredsFilePath', 'x'], '/MySQLCredsFilePath', 'is an option of configuration servers'],
    [['toString'], 'toString', '"toString" is not a command. '],
  ])('rejects %j and names %s', (args, field, message) => {
    const error = thrownBy(() => parseCommandLine(args));
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ exitCode: 2, code: 'usage', field });
  });
});

function thrownBy(call: () => unknown): AgentError {
  try {
    call();
  } catch (error) {
    if (error instanceof AgentError) return error;
  }
  throw new Error('no AgentError was thrown');
}
