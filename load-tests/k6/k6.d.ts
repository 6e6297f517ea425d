/** What the scenarios use of k6, which has its own modules and no package of npm. */
declare module 'k6' {
  export function check<T>(
    value: T,
    checks: Readonly<Record<string, (value: T) => boolean>>,
  ): boolean
}

declare module 'k6/http' {
  interface Response {
    readonly status: number
    readonly body: string | ArrayBuffer | null
    readonly headers: Readonly<Record<string, string>>
  }
  interface Params {
    readonly headers?: Readonly<Record<string, string>>
    readonly tags?: Readonly<Record<string, string>>
    readonly responseType?: 'text' | 'binary' | 'none'
  }
  export function request(
    method: string,
    url: string,
    body?: string | ArrayBuffer | null,
    params?: Params,
  ): Response
}

declare module 'k6/crypto' {
  export function sha256(data: string, encoding: 'hex'): string
  export function hmac(
    algorithm: 'sha256',
    secret: string | ArrayBuffer,
    data: string,
    encoding: 'binary',
  ): ArrayBuffer
  export function hmac(
    algorithm: 'sha256',
    secret: string | ArrayBuffer,
    data: string,
    encoding: 'hex',
  ): string
}

declare module 'k6/execution' {
  export const scenario: { readonly iterationInTest: number; readonly iterationInInstance: number }
}

/** Settings of a run, `-e NAME=value`. */
declare const __ENV: Readonly<Record<string, string | undefined>>
