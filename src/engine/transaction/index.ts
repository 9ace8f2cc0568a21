/** A transaction's preconditions, permissions and mutations, all or nothing. */
export { Callers, Namespaces } from './namespaces.ts'
export { deniedMutation } from './permissions.ts'
export { Quotas } from './quotas.ts'
export { setOwnMutationsMax, TransactionApplier } from './transaction.ts'
