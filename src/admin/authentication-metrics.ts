import { counter } from './metrics.ts'
import type { MetricsSource } from './metrics.ts'

/** Attempts to come in that did not succeed, since the start. */
export interface AttemptReadings {
  readonly failedTotal: number
  readonly limitedTotal: number
}

export function authenticationMetrics(read: () => AttemptReadings): MetricsSource {
  return {
    collect: () => {
      const { failedTotal, limitedTotal } = read()
      return [
        counter('quorate_auth_failed_total', 'Wrong tokens shown on the client and admin ports', failedTotal),
        counter(
          'quorate_auth_limited_total',
          'Attempts refused unseen: their address had failed too often',
          limitedTotal,
        ),
      ]
    },
  }
}
