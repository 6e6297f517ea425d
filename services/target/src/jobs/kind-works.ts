import type { KindWork } from './kind-work.ts'

/** How each kind of job is done: one for every name of the catalogue of `@forebay/jobs`. */
export const KIND_WORKS: readonly KindWork[] = []
