import type { WarmAnswer } from '@forebay/peer/target-port'
import type { ItemResult } from '../kind-work.ts'

/** What came of an item that was warmed. @param whenAbsent for one that the store does not have */
export function warmedResult(answer: WarmAnswer, whenAbsent: () => ItemResult): ItemResult {
  switch (answer.kind) {
    case 'fetched':
      return { kind: 'done', bytes: answer.bytes }
    case 'cached':
      return { kind: 'skipped', why: 'cached' }
    case 'not-kept':
      return { kind: 'skipped', why: 'not kept' }
    case 'absent':
      return whenAbsent()
    default:
      return answer satisfies never
  }
}
