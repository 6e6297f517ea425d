import type { JsonObject } from './json.ts'

/** JSON in ASCII alone, as a header can hold it; every decoder reads the same from it. */
export function asciiJson(value: JsonObject): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
