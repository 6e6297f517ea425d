/** How long pages of a list take, without what a client makes of them: that would hide a fast server. */
import { Agent, request } from 'node:http'

const TOKEN_END = '</NextContinuationToken>'

/** Bytes of a page in which its token stands: before the names. */
const HEAD_BYTES = 8192

export type PageTimes = {
  readonly pages: number
  readonly keys: number
  /** Of all pages, from the request to the last byte of the answer. */
  readonly ms: number
}

/** Reads the pages of a bucket one after the other. @param pagesMax the rest is left out */
export async function timePages(bucketUrl: string, pagesMax: number): Promise<PageTimes> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    let [pages, keys, token] = [0, 0, '']
    const startedAt = performance.now()
    while (pages < pagesMax) {
      const head = await readHead(`${bucketUrl}?list-type=2${token}`, agent)
      pages += 1
      keys += Number(/<KeyCount>([0-9]+)</.exec(head)?.[1])
      const end = head.indexOf(TOKEN_END)
      if (end < 0) break
      const next = head.slice(head.lastIndexOf('>', end - 1) + 1, end)
      token = `&continuation-token=${encodeURIComponent(next)}`
    }
    return { pages, keys, ms: performance.now() - startedAt }
  } finally {
    agent.destroy()
  }
}

/** Waits for the whole answer. @returns its beginning */
function readHead(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.once('error', reject)
      response.once('end', () => {
        const head = Buffer.concat(pieces.slice(0, 2)).toString('utf8', 0, HEAD_BYTES)
        if (response.statusCode === 200) resolve(head)
        else reject(new Error(`a list is answered with ${response.statusCode}: ${head}`))
      })
    })
    asked.once('error', reject)
    asked.end()
  })
}
