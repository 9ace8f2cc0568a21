/** WebSocket close codes (RFC 6455, 7.4.1). */
export const CloseCode = {
  away: 1001,
  protocol: 1002,
  malformed: 1007,
  policy: 1008,
  tooBig: 1009,
  tryLater: 1013,
} as const
