import { readU64, utf8Bytes, writeU64 } from '../../encoding/index.ts'
import { DEFAULT_SETTINGS, isSettingName, SETTING_RULES } from '../../model/index.ts'
import type { ClusterSettings } from '../../model/index.ts'
import { settingKey, SETTINGS_PREFIX } from '../layers.ts'
import type { Changes } from '../changes.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'

/** The settings as changed so far. A setting that this version does not know is kept and ignored. */
export function loadSettings(reader: RecordReader): ClusterSettings {
  const settings: Record<string, number> = { ...DEFAULT_SETTINGS }
  reader.walk(SETTINGS_PREFIX, prefixEnd(SETTINGS_PREFIX), false, (key, _, value) => {
    const name = String.fromCharCode(...key.subarray(SETTINGS_PREFIX.length))
    if (isSettingName(name)) settings[name] = readU64(value(), 0)
    return true
  })
  return settings as unknown as ClusterSettings
}

/** The settings with one changed, or why not. */
export function changeSetting(
  changes: Changes,
  settings: ClusterSettings,
  name: string,
  value: number,
): ClusterSettings | Refusal {
  if (!isSettingName(name)) return refuse('setting_not_found', `no setting has the name ${name.slice(0, 140)}`)
  const { min, max } = SETTING_RULES[name]
  if (!Number.isInteger(value) || value < min || value > max) {
    return refuse('setting_out_of_range', `${name} is a whole number from ${min} to ${max}`)
  }
  const changed = { ...settings, [name]: value }
  if (changed.electionTimeoutMinMs >= changed.electionTimeoutMaxMs) {
    return refuse('setting_out_of_range', 'electionTimeoutMinMs is less than electionTimeoutMaxMs')
  }
  const key = settingKey(utf8Bytes(name))
  const bytes = new Uint8Array(8)
  writeU64(bytes, 0, value)
  changes.put(key, bytes, changes.metadata(key)?.createdSeq)
  return changed
}

export function isRefusal(value: ClusterSettings | Refusal): value is Refusal {
  return 'code' in value
}
