import type { MetricsSource } from './metrics.ts'

/** A certificate of this node: on which port, and until when it is valid, ms since 1970. */
export interface CertificateReading {
  readonly door: string
  readonly expiresAtMs: number
}

export function certificateMetrics(read: () => readonly CertificateReading[]): MetricsSource {
  return {
    collect: () => [
      {
        name: 'quorate_tls_certificate_expiry_seconds',
        help: 'When the certificate of a port ends, seconds since 1970',
        type: 'gauge',
        samples: read().map(({ door, expiresAtMs }) => ({ value: expiresAtMs / 1000, labels: { door } })),
      },
    ],
  }
}
