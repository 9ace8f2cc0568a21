import { bytesToHex, compareBytes } from '../../encoding/index.ts'
import type { Change } from '../../model/index.ts'

/** A state of a key: what a change left. */
export interface Version {
  readonly seq: number
  readonly value: Uint8Array
  readonly createdSeq: number
  /** 0 = never. */
  readonly expiresAtMicros: number
}

export type Effect = Pick<Change, 'key' | 'kind' | 'value'>

interface NamedKey {
  readonly project: string
  readonly scope?: string
  readonly key: Uint8Array
}

interface NamedScope {
  readonly project: string
  readonly scope?: string
}

interface Key {
  readonly key: Uint8Array
  readonly scopeKey: string
  /** Undefined = nothing is stored (a key may be stored and expired). */
  stored: Version | undefined
  /** All states, oldest first; undefined version = removed. */
  readonly history: { readonly seq: number; readonly version: Version | undefined }[]
}

interface Scope {
  /** A scope made again under an old name is another one. */
  readonly id: number
  readonly keys: Map<string, Key>
  /** How many of them there are, what has expired and was not removed included. */
  stored: number
  readonly effects: { readonly seq: number; readonly effects: Effect[] }[]
}

type Undo = () => void

/** The keys of all scopes, with everything they ever were. */
export class ReferenceKeys {
  readonly #projects = new Map<string, Map<string, Scope>>()
  readonly #expiring = new Set<Key>()
  /** What stood under a name from each change on; undefined = nothing. */
  readonly #scopeChanges = new Map<string, { readonly seq: number; readonly id: number | undefined }[]>()
  #undo: Undo[] = []
  #seq = 0
  #nextId = 1

  hasProject(project: string): boolean {
    return this.#projects.has(project)
  }

  hasScope(name: NamedScope): boolean {
    return this.#scope(name) !== undefined
  }

  /** Whether there was no such scope after any entry of [fromSeq, throughSeq]. */
  wasMissing({ project, scope = 'app' }: NamedScope, fromSeq: number, throughSeq: number): boolean {
    const changes = this.#scopeChanges.get(`${project}/${scope}`) ?? []
    let at = firstAfter(changes, fromSeq)
    if (changes[at - 1]?.id === undefined) return true
    for (; at < changes.length && changes[at]!.seq <= throughSeq; at++) if (changes[at]!.id === undefined) return true
    return false
  }

  #noteScope(project: string, scope: string, id: number | undefined): void {
    const name = `${project}/${scope}`
    const changes = this.#scopeChanges.get(name) ?? []
    this.#scopeChanges.set(name, changes)
    changes.push({ seq: this.#seq, id })
    this.#undo.push(() => changes.pop())
  }

  /** Tells scopes of one name apart. */
  scopeId(name: NamedScope): number | undefined {
    return this.#scope(name)?.id
  }

  /** As of the entry `seq`. */
  scopeIdAt({ project, scope = 'app' }: NamedScope, seq: number): number | undefined {
    const changes = this.#scopeChanges.get(`${project}/${scope}`) ?? []
    return changes[firstAfter(changes, seq) - 1]?.id
  }

  #scope({ project, scope = 'app' }: NamedScope): Scope | undefined {
    return this.#projects.get(project)?.get(scope)
  }

  addScope(project: string, scope: string): void {
    const known = this.#projects.get(project)
    const scopes = known ?? new Map<string, Scope>()
    this.#projects.set(project, scopes)
    const id = this.#nextId++
    scopes.set(scope, { id, keys: new Map(), stored: 0, effects: [] })
    this.#noteScope(project, scope, id)
    this.#undo.push(() => {
      if (known === undefined) this.#projects.delete(project)
      else scopes.delete(scope)
    })
  }

  dropScope(project: string, scope: string): void {
    const scopes = this.#projects.get(project)!
    const dropped = scopes.get(scope)!
    scopes.delete(scope)
    this.#noteScope(project, scope, undefined)
    for (const key of dropped.keys.values()) this.#expiring.delete(key)
    this.#undo.push(() => scopes.set(scope, dropped))
  }

  begin(seq: number): void {
    this.#seq = seq
    this.#undo = []
  }

  commit(): void {
    this.#undo = []
  }

  rollBack(): void {
    for (const undo of this.#undo.reverse()) undo()
    this.#undo = []
  }

  live(name: NamedKey, timeMicros: number): Version | undefined {
    const stored = this.#scope(name)?.keys.get(bytesToHex(name.key))?.stored
    return stored === undefined || isExpired(stored, timeMicros) ? undefined : stored
  }

  /** 0 = absent; undefined = there is no such scope. */
  versionOf(name: NamedKey, timeMicros: number): number | undefined {
    return this.hasScope(name) ? (this.live(name, timeMicros)?.seq ?? 0) : undefined
  }

  put(name: NamedKey, value: Uint8Array, expiresAtMicros: number, timeMicros: number): void {
    const key = this.#key(name)
    const createdSeq = this.live(name, timeMicros)?.createdSeq ?? this.#seq
    this.#change(name, key, { seq: this.#seq, value, createdSeq, expiresAtMicros }, 'put')
  }

  delete(name: NamedKey, timeMicros: number): void {
    if (this.live(name, timeMicros) === undefined) return
    this.#change(name, this.#key(name), undefined, 'delete')
  }

  /** A stored key whose time was over at `timeMicros`. */
  findDue(timeMicros: number): string | undefined {
    for (const { stored } of this.#expiring) {
      if (stored !== undefined && isExpired(stored, timeMicros)) return `the version ${stored.seq} of a key`
    }
    return undefined
  }

  /** Of all scopes there are. */
  get storedRecords(): number {
    let sum = 0
    for (const scopes of this.#projects.values()) for (const { stored } of scopes.values()) sum += stored
    return sum
  }

  /** Removes due keys as a tick does: in the order of (expiry, scope, key), at most `keysMax`. Returns how many. */
  expire(seq: number, timeMicros: number, keysMax: number): number {
    const due: { key: Key; scope: Scope; at: number }[] = []
    for (const scopes of this.#projects.values()) {
      for (const scope of scopes.values()) {
        for (const key of scope.keys.values()) {
          if (!this.#expiring.has(key) || key.stored === undefined) continue
          const at = key.stored.expiresAtMicros
          if (at !== 0 && at <= timeMicros) due.push({ key, scope, at })
        }
      }
    }
    due.sort((a, b) => a.at - b.at || a.scope.id - b.scope.id || compareBytes(a.key.key, b.key.key))
    this.begin(seq)
    const removed = due.slice(0, keysMax)
    for (const { key, scope } of removed) {
      this.#write(scope, key, undefined)
      addEffect(scope, seq, { key: key.key, kind: 'expire', value: undefined })
    }
    this.commit()
    return removed.length
  }

  #key({ key, ...name }: NamedKey): Key {
    const scope = this.#scope(name)!
    const hex = bytesToHex(key)
    const known = scope.keys.get(hex)
    if (known !== undefined) return known
    const made: Key = { key: key.slice(), scopeKey: String(scope.id), stored: undefined, history: [] }
    scope.keys.set(hex, made)
    return made
  }

  #change(name: NamedKey, key: Key, version: Version | undefined, kind: 'put' | 'delete'): void {
    const scope = this.#scope(name)!
    this.#write(scope, key, version)
    const group = addEffect(scope, this.#seq, { key: key.key, kind, value: version?.value })
    this.#undo.push(() => {
      group.effects.pop()
      if (group.effects.length === 0) scope.effects.pop()
    })
  }

  #write(scope: Scope, key: Key, version: Version | undefined): void {
    const before = key.stored
    const more = Number(version !== undefined) - Number(before !== undefined)
    key.stored = version
    scope.stored += more
    key.history.push({ seq: this.#seq, version })
    if (version !== undefined && version.expiresAtMicros !== 0) this.#expiring.add(key)
    this.#undo.push(() => {
      key.history.pop()
      key.stored = before
      scope.stored -= more
    })
  }

  /** What a reader of `seq`, whose time is `timeMicros`, finds under a key. */
  readAt(name: NamedKey, seq: number, timeMicros: number): Version | undefined {
    const key = this.#scope(name)?.keys.get(bytesToHex(name.key))
    return key === undefined ? undefined : versionAt(key, seq, timeMicros)
  }

  /** What a scan at `seq` finds, in its order. */
  scan(
    range: NamedScope & { start?: Uint8Array; end?: Uint8Array; reverse?: boolean; limit: number },
    seq: number,
    timeMicros: number,
  ): (Version & { key: Uint8Array })[] {
    const found: (Version & { key: Uint8Array })[] = []
    for (const key of this.#scope(range)?.keys.values() ?? []) {
      const { key: bytes } = key
      if (range.start !== undefined && compareBytes(bytes, range.start) < 0) continue
      if (range.end !== undefined && compareBytes(bytes, range.end) >= 0) continue
      const version = versionAt(key, seq, timeMicros)
      if (version === undefined) continue
      found.push({ ...version, key: bytes })
    }
    found.sort((a, b) => compareBytes(a.key, b.key))
    if (range.reverse === true) found.reverse()
    return range.limit === 0 ? found : found.slice(0, range.limit)
  }

  nextEffects(name: NamedKey, afterSeq: number): { seq: number; effects: Effect[] } | undefined {
    const groups = this.#scope(name)?.effects ?? []
    for (let at = firstAfter(groups, afterSeq); at < groups.length; at++) {
      const { seq, effects } = groups[at]!
      const selected = effects.filter(({ key }) => hasPrefix(key, name.key))
      if (selected.length > 0) return { seq, effects: selected }
    }
    return undefined
  }
}

function isExpired({ expiresAtMicros }: Version, timeMicros: number): boolean {
  return expiresAtMicros !== 0 && expiresAtMicros <= timeMicros
}

function versionAt({ history }: Key, seq: number, timeMicros: number): Version | undefined {
  const version = history[firstAfter(history, seq) - 1]?.version
  return version === undefined || isExpired(version, timeMicros) ? undefined : version
}

/** Index of the first element whose seq is above `seq`. */
function firstAfter(list: readonly { readonly seq: number }[], seq: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle]!.seq <= seq) low = middle + 1
    else high = middle
  }
  return low
}

function addEffect(scope: Scope, seq: number, effect: Effect): { effects: Effect[] } {
  const last = scope.effects.at(-1)
  if (last?.seq === seq) {
    last.effects.push(effect)
    return last
  }
  const group = { seq, effects: [effect] }
  scope.effects.push(group)
  return group
}

function hasPrefix(key: Uint8Array, prefix: Uint8Array): boolean {
  if (key.length < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return false
  return true
}
