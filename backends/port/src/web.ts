import type { Call, ReadOptions, ReadResult } from './backend.ts'

/** A request to a web server that a user named. */
export interface WebCall extends Call {
  /** As `checkUrl` gave it, or the address that a document of the same origin told. */
  readonly url: URL
  /**
   * Sent to the origin of `url` alone, not to where it redirects: they may hold a secret. Lower-case
   * names.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** What a file is asked with, as at a backend. */
export type WebRead = WebCall & Pick<ReadOptions, 'range' | 'pin' | 'pinnedSizeBytes' | 'unless'>

/** One name of a directory of a web server. */
export interface WebEntry {
  readonly name: string
  readonly kind: 'file' | 'directory'
  /** Of a file, where the index tells both to the byte and the second. */
  readonly exact?: { readonly sizeBytes: number; readonly lastModifiedMs: number } | undefined
}

/**
 * Files of web servers by their URLs: what jobs fetch from places that users name.
 *
 * Nothing is retried, and time is the caller's affair: his signal ends a request. Each address that is
 * connected to meets the node's policy, at every redirect; what a policy forbids is Failure
 * `backend-refused`.
 */
export interface Web {
  /**
   * @throws Failure `argument-invalid` for anything but http(s), a user name, a password, a fragment, a
   *   backslash or a control character; `backend-refused` for an address that may not be connected to
   */
  checkUrl(text: string): URL
  /**
   * GET of a file or of a range of it. Its length may be untold, as long as its end is not. A range may be
   * answered with the whole.
   */
  read(read: WebRead): Promise<ReadResult>
  /**
   * The names of a directory, each once, in the order of its page; `undefined` when it is not there. `url`
   * ends with a slash.
   *
   * @param call.keptMs how old an answer that was read with the same headers may be; absent: none is used
   * @throws Failure `not-implemented` when it shows no index page, or a `backend-*` code
   */
  readIndex(
    call: WebCall & { readonly keptMs?: number | undefined },
  ): Promise<readonly WebEntry[] | undefined>
  /**
   * A document as text, and where it says that its list goes on (Link, RFC 8288); that is refused at
   * another origin.
   *
   * @throws Failure `object-not-found`, or a `backend-*` code, also for more than `bytesMax`
   */
  readText(
    call: WebCall & { readonly bytesMax: number },
  ): Promise<{ readonly text: string; readonly next: URL | undefined }>
}
