import { join } from 'node:path'

/** Where the built console lies; absent while nobody built it (see `build.ts`). */
export const CONSOLE_FOLDER = join(import.meta.dirname, '../dist')
