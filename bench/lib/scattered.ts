/** All numbers below `count`, shuffled: an order that no tree can make use of, the same in each run. */
export function scattered(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  let state = 12_345
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    // The high bits: the low ones of such a generator repeat themselves soon.
    const other = Math.floor((state / 4_294_967_296) * (i + 1))
    const kept = order[i]!
    order[i] = order[other]!
    order[other] = kept
  }
  return order
}
