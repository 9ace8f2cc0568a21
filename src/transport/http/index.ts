/** The HTTP door: raw bytes and JSON under /v1 (`/v1/openapi.json` describes it). */
export { createHttpApp } from './app.ts'
export type { HttpApp } from './app.ts'
export { unreadableBody } from './http-error.ts'
export { httpListener } from './listener.ts'
export type { ServedApp } from './listener.ts'
export type { HttpOptions } from './options.ts'
export type { HttpPeer } from './request.ts'
