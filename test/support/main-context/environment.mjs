import { ModuleMocker } from 'jest-mock';

/** The main context as an environment for a spec file. The reason is in runtime.cjs. */
export default class MainContextEnvironment {
  moduleMocker = new ModuleMocker(globalThis);
  fakeTimers = null;
  fakeTimersModern = null;
  /** Jest replaces members of `process` for a spec file: not of the real one. */
  global = Object.create(globalThis, { process: { value: Object.create(process) } });
  #variables = { ...process.env };
  #globals = new Set(Reflect.ownKeys(globalThis));

  async setup() {}

  /** Restores the environment variables, and deletes new globals: the state of Jest, and the metadata of class-validator. */
  async teardown() {
    for (const name of Object.keys(process.env)) if (!(name in this.#variables)) delete process.env[name];
    Object.assign(process.env, this.#variables);
    for (const name of Reflect.ownKeys(globalThis)) {
      if (!this.#globals.has(name)) Reflect.deleteProperty(globalThis, name);
    }
  }

  exportConditions() {
    return ['node', 'node-addons'];
  }

  /** Jest requires a value; the runtime does not use it. */
  getVmContext() {
    return this.global;
  }
}
