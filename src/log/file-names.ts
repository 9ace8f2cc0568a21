/** Names in the log's directory. Segment numbers have ten digits, so that names sort like numbers. */
export const VOTES_NAME = 'votes'

const SEGMENT_NAME = /^segment-(\d{10})$/
const SUSPECT_NAME = /^suspect-(\d+)(\.resolved)?$/

export function logDirectory(dataDirectory: string): string {
  return `${dataDirectory}/log`
}

export function segmentName(segment: number): string {
  return `segment-${String(segment).padStart(10, '0')}`
}

/** The number in a segment's name; undefined for any other name. */
export function segmentOfName(name: string): number | undefined {
  const match = SEGMENT_NAME.exec(name)
  return match === null ? undefined : Number(match[1])
}

export function suspectName(index: number, isResolved: boolean): string {
  return `suspect-${index}${isResolved ? '.resolved' : ''}`
}

export function suspectOfName(name: string): { index: number; isResolved: boolean } | undefined {
  const match = SUSPECT_NAME.exec(name)
  return match === null ? undefined : { index: Number(match[1]), isResolved: match[2] !== undefined }
}
