/** Version of the package, as said to clients, in metrics and in backups; `test/node/configuration.test.ts` compares it with package.json. */
export const VERSION = '0.1.0'
