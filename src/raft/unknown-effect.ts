/** An effect of the core that nobody carries out: a fault of this program. */
export function unknownEffect(effect: never): never {
  throw new Error(`unknown effect ${JSON.stringify(effect)}`)
}
