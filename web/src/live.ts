/* What the live half of the server answers with: models, runs, teaching. */
import { on } from './events'

export type RunStatus = 'queued' | 'preparing' | 'running' | 'paused' | 'stopped' | 'done' | 'failed'

/* A preset that the data chose, and by what: shares of the answers' tokens that the start model hardly writes. */
export interface Choice {
  name: string
  asked: string
  rare_chosen: number
  rare_rejected: number
  pairs: number
}

export interface Run {
  id: string
  name: string
  objective: string
  base: string
  dataset_id: string | null
  preset: string | null
  teach: string | null
  status: RunStatus
  reason: string | null
  step: number
  steps: number
  eta_s: number | null
  started_at: string | null
  ended_at: string | null
  examples: number | null
  metrics: Record<string, number | null> | null
  config: { options?: Record<string, unknown>; preset?: Choice } | null
  model: string | null
  writes: boolean /* its model answers; a reward model judges */
  flagged: string | null
}

export const isBusy = (run: Run): boolean => ['queued', 'preparing', 'running', 'paused'].includes(run.status)

export type MetricRow = Record<string, number | string | null>
export interface Sample {
  step: number
  index?: number
  prompt: string
  said?: string /* the prompt without the words of the chat template */
  text: string
}

export interface Model {
  id: string
  kind: 'model' | 'adapter'
  writes: boolean /* false: it judges answers */
  base: string | null
  path: string
  family: string
  parameters: number | null
  type: string
  bytes: number
  run: string | null
  loaded: boolean
  card: string | null
}

export interface Alias {
  name: string
  target: string
  history: string[]
}

/* Those that can answer: a reward model only judges. */
export const writers = (models: Models | null): Model[] => (models?.items ?? []).filter((m) => m.writes)

export interface Models {
  items: Model[]
  aliases: Alias[]
  starter: { present: boolean; bytes: number; sha256: string }
}

export interface Job {
  id: string
  kind: string
  status: 'started' | 'finished' | 'failed' | 'stopped'
  done: number
  total: number | null /* not known yet */
  unit: string
  eta_s: number | null
  message: string | null
  result: Record<string, unknown> | null
  error: string | null
}

export interface Teach {
  id: string
  taste: string
  model: string
  round: number
  dataset_id: string
  picks: number
  picks_wanted: number
  pairs: number
  status: 'teaching' | 'ready' | 'training' | 'checking' | 'result'
  run: string | null
}

/* Bytes as people read them: 98 MB, 1.2 GB. */
export function bytes(n: number): string {
  const unit = n >= 1e9 ? 'GB' : n >= 1e6 ? 'MB' : 'kB', by = n >= 1e9 ? 1e9 : n >= 1e6 ? 1e6 : 1e3
  return `${(n / by).toLocaleString(document.documentElement.lang, { maximumFractionDigits: n >= 1e9 ? 1 : 0 })} ${unit}`
}

/* Calls `look` now, whenever one of these kinds of events is told, and every `seconds` besides; the result stops it. A look that still
 * runs is not begun again. */
export function watch(kinds: string[], seconds: number, look: () => Promise<unknown>): () => void {
  let running = false, again = false, over = false
  async function run(): Promise<void> {
    if (running) return void (again = true)
    running = true
    do {
      again = false
      await look().catch(() => {})
    } while (again && !over)
    running = false
  }
  const off = [...kinds, 'open'].map((kind) => on(kind, () => void run()))
  const timer = setInterval(() => void run(), seconds * 1000)
  void run()
  return () => {
    over = true
    clearInterval(timer)
    off.forEach((f) => f())
  }
}
