/** Where the workload keeps its things. */
export const PROJECT = 'chaos'
export const SCOPES = { registers: 'registers', appends: 'appends', own: 'own' } as const

/** Keys of the scope of appends: what is appended, and the counters that count it in the same commit. */
export const APPEND = 'a/'
export const COUNTER = 'c/'
