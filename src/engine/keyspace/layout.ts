/** Offsets and sizes of everything in the page file; docs/formats/pages.md says the same byte by byte. */

/** Every page, extent and map page begins with these bytes; the last 40 are kept for encryption at rest (nonce, tag). */
export const PAGE_HEADER_BYTES = 64
export const PAGE_FORMAT = 1

/** What a page holds. Values are on disk: never reused. */
export const PageKind = { leaf: 1, branch: 2, extent: 3, map: 4, mapDirectory: 5, spaces: 6 } as const
export type PageKind = (typeof PageKind)[keyof typeof PageKind]

export const AT_KIND = 0
export const AT_FORMAT = 1
export const AT_COUNT = 2
export const AT_HEAP = 4
export const AT_FRAGMENTED = 6
export const AT_PREFIX = 8
export const AT_LEVEL = 10
/** How many inserts in a row went to the page's end (at most 255). */
export const AT_RUN = 11
export const AT_PAGE = 12
export const AT_BIRTH = 16
export const AT_NONCE = 24
export const AT_TAG = 48

/** Levels of a tree: far more than one of four children a branch can have. */
export const DEPTH_MAX = 32

/** A slot: key head (u32), cell offset (u16), suffix length (u16). */
export const SLOT_BYTES = 8
/** Key bytes that live in the slot instead of the cell. */
export const HEAD_BYTES = 4
/** A cell begins with the length of its payload. */
export const CELL_HEADER_BYTES = 2

/** A pointer to a page below: page u32, seq of the last change below u64, checksum 16 bytes (CRC-32 uses the first 4). */
export const POINTER_BYTES = 28
export const CHECKSUM_BYTES = 16
export const POINTER_SEQ = 4
export const POINTER_CHECKSUM = 12

/** What stands in a cell instead of a large value. */
export const EXTENT_POINTER_BYTES = 48
export const EXTENT_LENGTH = 8
export const EXTENT_BIRTH = 16
export const EXTENT_DIGEST = 24
export const EXTENT_CHECKSUM = 32

/** Superblocks lie at 0 and 32 KiB whatever the page size is; pages follow. */
export const SUPERBLOCK_SPACING_BYTES = 32768
export const SUPERBLOCK_AREA_BYTES = 65536

export const PAGE_SIZES: readonly number[] = [4096, 8192, 16384, 32768]

/** The longest key that fits: a fifth of a page (`key_too_large`). */
export function maxKeyBytes(pageBytes: number): number {
  return Math.floor(pageBytes / 5)
}

/** The largest cell with its slot; anything above moves its value to an extent. */
export function maxCellBytes(pageBytes: number): number {
  return Math.floor((pageBytes - PAGE_HEADER_BYTES) / 4)
}
