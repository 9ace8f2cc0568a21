/**
 * The replicated cluster settings: every limit that apply consults is here, because all nodes must decide alike (DESIGN 7).
 * Changed by the DDL operation `setSetting`; what is local to a node (addresses, budgets, directories) is configuration instead.
 */
export interface ClusterSettings {
  /** A session ends when it was not used for this long. */
  sessionLifetimeMs: number
  /** How many serials a client's session remembers. */
  sessionWindow: number
  /** The same for the session of a node. */
  nodeSessionWindow: number
  sessionsMax: number
  projectsMax: number
  /** Of all projects together. */
  scopesMax: number
  /** Of all scopes together. */
  tablesMax: number
  keyBytesMax: number
  valueBytesMax: number
  /** Bytes of the payload of an event. */
  eventPayloadBytesMax: number
  /** Bytes of one encoded envelope. */
  transactionBytesMax: number
  mutationsMax: number
  assertionsMax: number
  /** Points and ranges of a read set together. */
  readSetMax: number
  /** Rows that one transaction may change, referential actions included. */
  rowsMax: number
  /** Records that range read sets, conditions and drops may visit within one entry. */
  scanRecordsMax: number
  /** Records that a query may look at, unless it allows itself a full scan, and rows that it may hold. */
  queryRowsMax: number
  /** What a query may hold in memory, in bytes. */
  queryBytesMax: number
  /** Results of one transaction kept for its retries, in bytes. */
  outcomeBytesMax: number
  /** Due keys removed by one tick. */
  tickKeysMax: number
  idempotencyKeysMax: number
  idempotencyLifetimeMs: number
  /** Audit rows that are kept; 0 = none. */
  auditRowsMax: number
  /** 1 keeps an audit row for each transaction that was refused for lack of a permission. */
  auditRefusals: number
  /** 1 keeps an audit row for each transaction that was refused because an assertion failed. */
  auditAssertions: number
  /** Lifecycle events that are kept, about; 0 = none are made. */
  lifecycleEventsMax: number
  /** 1 allows lease reads (R6-R8), 0 forbids them. */
  leaseReads: number
  heartbeatMs: number
  electionTimeoutMinMs: number
  electionTimeoutMaxMs: number
}

export interface SettingRule {
  default: number
  min: number
  max: number
  description: string
}

const rule = (value: number, min: number, max: number, description: string): SettingRule => ({
  default: value,
  min,
  max,
  description,
})

/** Default, bounds and meaning of every setting; all are whole numbers. */
export const SETTING_RULES: { readonly [K in keyof ClusterSettings]: SettingRule } = {
  sessionLifetimeMs: rule(60_000, 1_000, 86_400_000, 'Idle time after which a session ends, ms'),
  sessionWindow: rule(1_024, 64, 65_536, 'Serials remembered per client session'),
  nodeSessionWindow: rule(65_536, 64, 1_048_576, 'Serials remembered per node session'),
  sessionsMax: rule(10_000, 16, 1_000_000, 'Open sessions'),
  projectsMax: rule(10_000, 1, 100_000, 'Projects'),
  scopesMax: rule(50_000, 1, 500_000, 'Scopes of all projects'),
  tablesMax: rule(50_000, 1, 500_000, 'Tables of all scopes'),
  // A key with what its layers put before it must fit a fifth of the smallest page, whatever page size a member has.
  keyBytesMax: rule(768, 16, 768, 'Bytes of a key'),
  valueBytesMax: rule(4_194_304, 64, 67_108_864, 'Bytes of a value'),
  eventPayloadBytesMax: rule(65_536, 16, 4_194_304, 'Bytes of the payload of an event'),
  transactionBytesMax: rule(8_388_608, 1_024, 134_217_728, 'Bytes of an encoded transaction'),
  mutationsMax: rule(10_000, 1, 100_000, 'Mutations of a transaction'),
  assertionsMax: rule(1_000, 1, 10_000, 'Assertions of a transaction'),
  readSetMax: rule(10_000, 1, 60_000, 'Points and ranges of a read set'),
  rowsMax: rule(2_500, 1, 1_000_000, 'Rows changed by one transaction'),
  scanRecordsMax: rule(50_000, 100, 1_000_000, 'Records visited by range read sets and conditions within one entry'),
  queryRowsMax: rule(100_000, 100, 100_000_000, 'Records that a query looks at, and rows that it holds'),
  queryBytesMax: rule(67_108_864, 1_048_576, 1_073_741_824, 'Bytes that a query holds in memory'),
  outcomeBytesMax: rule(65_536, 256, 1_048_576, 'Bytes of the results of one transaction'),
  tickKeysMax: rule(1_000, 1, 10_000, 'Expired keys removed by one tick'),
  idempotencyKeysMax: rule(100_000, 100, 10_000_000, 'Idempotency keys remembered'),
  idempotencyLifetimeMs: rule(300_000, 1_000, 604_800_000, 'Time for which an idempotency key is remembered, ms'),
  auditRowsMax: rule(1_000, 0, 100_000, 'Audit rows kept'),
  auditRefusals: rule(0, 0, 1, '1 audits refusals for lack of a permission'),
  auditAssertions: rule(0, 0, 1, '1 audits transactions whose assertions failed'),
  lifecycleEventsMax: rule(10_000, 0, 1_000_000, 'Lifecycle events kept'),
  leaseReads: rule(0, 0, 1, '1 allows lease reads'),
  heartbeatMs: rule(50, 5, 5_000, 'Time between heartbeats, ms'),
  electionTimeoutMinMs: rule(300, 150, 60_000, 'Shortest election timeout, ms'),
  electionTimeoutMaxMs: rule(600, 160, 120_000, 'Longest election timeout, ms'),
}

export const DEFAULT_SETTINGS: ClusterSettings = Object.fromEntries(
  Object.entries(SETTING_RULES).map(([name, { default: value }]) => [name, value]),
) as unknown as ClusterSettings

export function isSettingName(name: string): name is keyof ClusterSettings {
  return Object.hasOwn(SETTING_RULES, name)
}

/** The feature level that this version of the code can apply up to. A change of apply raises it and is gated by the replicated level. */
export const FEATURE_LEVEL = 1
