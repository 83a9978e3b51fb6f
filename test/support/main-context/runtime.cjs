/**
 * Jest evaluates packages and specs in a V8 context of its own for each spec file: about two seconds of CPU time for NestJS and its
 * dependencies. The files of this folder let specs run in the main context of a worker, where `require` loads packages once for all specs:
 * half of the CPU time of the HTTP specs. One context for both, because an `instanceof` between contexts is false. The code of this
 * repository is still evaluated anew for each spec file.
 *
 * - `runtime.cjs`: Jest's runtime, without contexts. It overrides two functions that are not documented.
 * - `environment.mjs`: removes what a spec file leaves behind in the main context.
 * - `shared-package.mjs`: replaces the code of a package by a reference to the loaded one. It is a transformer.
 */
const { compileFunction } = require('node:vm');
const { default: Runtime } = require('jest-runtime');

module.exports = class MainContextRuntime extends Runtime {
  constructor(...parameters) {
    super(...parameters);
    const { esmLoader, executor } = this;
    esmLoader.getContext = () => undefined;
    executor.compile = (source, filename) => compileFunction(source, executor.injectedModuleParameters, { filename });
  }
};
