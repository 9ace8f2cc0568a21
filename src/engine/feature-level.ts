import { FEATURE_LEVEL, QuorateError } from '../model/index.ts'

/**
 * A state of a newer level is not opened, taken or restored: entries would be applied to it by rules that this version does not know.
 * @throws QuorateError `unsupported_version`
 */
export function requireKnownLevel(featureLevel: number, where: string): void {
  if (featureLevel <= FEATURE_LEVEL) return
  throw new QuorateError(
    'unsupported_version',
    `${where} has feature level ${featureLevel}; this version knows ${FEATURE_LEVEL}`,
  )
}
