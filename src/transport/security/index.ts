/** Who may come in: tokens, the cluster secret, and which addresses may be bound without either. */
export { isLoopbackHost, requireSafeBind } from './loopback.ts'
export type { BindSafety } from './loopback.ts'
