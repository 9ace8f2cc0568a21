/** A page ends when its rows have this many bytes, and has one row at the least. */
export const PAGE_BYTES_MAX = 1_048_576
