/** How long a reservation waits for an eviction under way, ms. */
export const RESERVE_WAIT_MAX_MS = 2000

interface Room {
  /** Takes the room, if it is there. */
  take(): boolean
  /** Resolves true when an eviction freed something, false when none can. */
  makeRoom(): Promise<boolean>
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/**
 * Takes room, after evictions where they help.
 *
 * @returns `late`: eviction still frees room; `full`: nothing is left that can go
 */
export async function waitForRoom(room: Room): Promise<'taken' | 'late' | 'full'> {
  if (room.take()) return 'taken'
  const deadline = room.monotonic() + RESERVE_WAIT_MAX_MS
  let helped = true
  while (helped && room.monotonic() < deadline) {
    // Not longer: who waits may hold the lock of a key that the eviction wants.
    const late = room.sleep(RESERVE_WAIT_MAX_MS).then(() => 'late' as const)
    const outcome = await Promise.race([room.makeRoom(), late])
    helped = outcome !== false
    if (room.take()) return 'taken'
  }
  return helped ? 'late' : 'full'
}
