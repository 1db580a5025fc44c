/* Who helps, as a form holds it: a model of this server, or one elsewhere; and what it may use. */
import { get } from '../api'
import { writers, type Models } from '../live'
import { may } from '../session.svelte'
import { t } from '../texts'

export interface HelperSettings {
  model: string
  tokens_most?: number
  per_minute?: number
  cost_prompt?: number
  cost_answer?: number
}

export const elsewhere = '\0'

export class Helper {
  models = $state.raw<string[]>([])
  model = $state('')
  server = $state('')
  limit = $state<number | null>(null)
  rate = $state<number | null>(null)
  costIn = $state<number | null>(null)
  costOut = $state<number | null>(null)
  far = $derived(this.model === elsewhere)
  named = $derived(this.far ? this.server.trim() : this.model)
  choices = $derived([...this.models.map((m) => ({ value: m, text: m })), ...(may('owner') ? [{ value: elsewhere, text: t('assist.elsewhere') }] : [])])

  async load() {
    const m = await get<Models>('/api/v1/models')
    this.models = [...writers(m).map((x) => x.id), ...m.aliases.map((a) => a.name)]
    this.model ||= this.models[0] ?? (may('owner') ? elsewhere : '')
  }

  take(x: HelperSettings) {
    this.model = this.models.includes(x.model) ? x.model : elsewhere
    this.server = this.far ? x.model : ''
    this.limit = x.tokens_most ?? null
    this.rate = x.per_minute ?? null
    this.costIn = x.cost_prompt ?? null
    this.costOut = x.cost_answer ?? null
  }

  limits(): Omit<HelperSettings, 'model'> {
    return Object.fromEntries(Object.entries({ tokens_most: this.limit, per_minute: this.rate, cost_prompt: this.costIn, cost_answer: this.costOut }).filter(([, v]) => v))
  }
}
