/* Which numbers of metrics.jsonl are drawn together. A group is one row; the first that a run has stand first. Names are TRL's. A limit is an option
 * of the run at which it stops itself (docs/options.md), drawn where it is set: 0 is none. */
import type { Key } from '../texts'
import type { MetricRow } from '../live'

export interface Group {
  title: Key
  names: string[]
  range?: [number, number]
  limit?: string
  times?: string /* the limit counts this metric's first value */
}

export const groups: Group[] = [
  { title: 'curve.preference', names: ['rewards/accuracies', 'accuracy', 'eval_rewards/accuracies', 'eval_accuracy', 'held_out/preferred'], range: [0, 1] },
  { title: 'curve.margin', names: ['rewards/margins', 'margin', 'eval_rewards/margins'] },
  { title: 'curve.reward', names: ['reward', 'objective/rlhf_reward', 'objective/scores', 'eval_reward'] },
  { title: 'curve.drift', names: ['drift'], limit: 'max_kl' },
  { title: 'curve.kl', names: ['kl', 'objective/kl'] },
  { title: 'curve.entropy', names: ['entropy', 'policy/entropy_avg'], limit: 'min_entropy' },
  { title: 'curve.loss', names: ['loss', 'eval_loss'] },
  { title: 'curve.distinct', names: ['completions/distinct'], range: [0, 1], limit: 'min_distinct' },
  { title: 'curve.token', names: ['mean_token_accuracy', 'eval_mean_token_accuracy'], range: [0, 1] },
  { title: 'curve.length', names: ['completions/mean_length', 'completion_length'], limit: 'max_length_growth', times: 'completions/mean_length' },
  { title: 'curve.gradient', names: ['grad_norm'] },
  { title: 'curve.rate', names: ['learning_rate'] },
]

export interface Curve {
  title: Key
  range?: [number, number]
  x: number[]
  series: { label: string; values: (number | null)[]; color?: string; dash?: number[] }[]
}

const numberOf = (v: unknown): number | null => (typeof v === 'number' && Number.isFinite(v) ? v : null)

function limitOf(group: Group, rows: MetricRow[], options: Record<string, unknown>): number | null {
  const set = group.limit ? Number(options[group.limit]) : 0
  const first = group.times ? numberOf(rows.find((r) => numberOf(r[group.times!]) !== null)?.[group.times]) : 1
  return set > 0 && first !== null ? set * first : null
}

export function curvesOf(rows: MetricRow[], options: Record<string, unknown> = {}): Curve[] {
  const out: Curve[] = []
  for (const group of groups) {
    const names = group.names.filter((n) => rows.some((r) => numberOf(r[n]) !== null))
    if (!names.length) continue
    const used = rows.filter((r) => names.some((n) => numberOf(r[n]) !== null)), limit = limitOf(group, rows, options)
    const series: Curve['series'] = names.map((n) => ({ label: n, values: used.map((r) => numberOf(r[n])) }))
    if (limit !== null) series.push({ label: group.limit!, values: used.map(() => limit), color: '--bad', dash: [6, 4] })
    out.push({ title: group.title, range: group.range, x: used.map((r) => Number(r.step)), series })
  }
  return out
}

/* How many are shown at once: of a run that is rewarded, reward, distance and doubt too. */
export const firstOf = (curves: Curve[]): number => (curves.some((c) => c.title === 'curve.reward') ? 4 : 2)
