/** The two readings of time. Nothing else in Quorate knows what time it is. */
export interface Clock {
  /** Milliseconds (fractional) since an arbitrary origin; never falls, not affected by wall-clock changes. */
  monotonicMs(): number
  /** Microseconds since 1970-01-01 UTC as this machine believes; may jump either way. A safe integer. */
  wallMicros(): number
}
