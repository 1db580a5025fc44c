/* Guidelines as they are and were, and whether they changed since this person looked. */
import { get } from '../api'
import { on } from '../events'
import { keep, preferences } from '../preferences.svelte'

export interface Guideline {
  version: number
  guidelines: string | null
  inserted_at: string
}

export class Guidelines {
  list = $state.raw<Guideline[]>([])
  constructor(readonly id: string) {}

  get changed(): boolean {
    const now = this.list[0]?.version ?? 0
    return now > 0 && this.seen > 0 && now > this.seen
  }

  get seen(): number {
    return preferences.seenGuidelines[this.id] ?? 0
  }

  async load(): Promise<void> {
    this.list = await get<{ items: Guideline[] }>(`/api/v1/datasets/${this.id}/guidelines`).then((x) => x.items, () => this.list)
    if (this.seen || !this.list.length) return
    preferences.seenGuidelines[this.id] = this.list[0].version /* the first visit: nothing has changed since */
    keep()
  }

  watch(): () => void {
    void this.load()
    return on('dataset.updated', (data) => data.dataset_id === this.id && void this.load())
  }
}
