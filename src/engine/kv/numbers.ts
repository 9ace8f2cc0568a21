/** Unsigned big-endian integers of equal width. */

/** sum := a + b; false if it does not fit (then `sum` is what is left of it). */
export function addNumbers(a: Uint8Array, b: Uint8Array, sum: Uint8Array): boolean {
  let carry = 0
  for (let i = sum.length - 1; i >= 0; i--) {
    const digit = a[i]! + b[i]! + carry
    sum[i] = digit
    carry = digit >> 8
  }
  return carry === 0
}

/** difference := a - b; false if it would be negative. */
export function subtractNumbers(a: Uint8Array, b: Uint8Array, difference: Uint8Array): boolean {
  let borrow = 0
  for (let i = difference.length - 1; i >= 0; i--) {
    const digit = a[i]! - b[i]! - borrow
    difference[i] = digit
    borrow = digit < 0 ? 1 : 0
  }
  return borrow === 0
}
