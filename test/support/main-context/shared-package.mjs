import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Transformer of packages: the code of a module becomes a reference to the module that Node loaded. The reason is in runtime.cjs. */
export default {
  process(source, path, { supportsDynamicImport, supportsStaticESM }) {
    if (!supportsDynamicImport) return { code: source }; // Jest loads it for itself, in Node's own context
    const file = JSON.stringify(path);
    const load = `process.getBuiltinModule('node:module').createRequire(${file})(${file})`;
    if (!supportsStaticESM) return { code: `module.exports = ${load};` };
    const names = Object.keys(require(path));
    const exports = names.map((name, index) => `const e${index} = loaded.${name}; export { e${index} as ${name} };`);
    return { code: [`const loaded = ${load};`, ...exports].join('\n') };
  },

  getCacheKey(source, path, { supportsDynamicImport, supportsStaticESM }) {
    const version = 1; // of this transformer
    return createHash('sha256')
      .update(JSON.stringify([version, source, path, supportsDynamicImport, supportsStaticESM]))
      .digest('hex');
  },
};
