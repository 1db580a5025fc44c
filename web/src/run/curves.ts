/* Which numbers of metrics.jsonl are drawn together. A group is one row; the first that a run has stand first. Names are TRL's. */
import type { Key } from '../texts'
import type { MetricRow } from '../live'

export interface Group {
  title: Key
  names: string[]
  range?: [number, number]
}

export const groups: Group[] = [
  { title: 'curve.preference', names: ['rewards/accuracies', 'accuracy', 'eval_rewards/accuracies', 'eval_accuracy'], range: [0, 1] },
  { title: 'curve.margin', names: ['rewards/margins', 'margin', 'eval_rewards/margins'] },
  { title: 'curve.reward', names: ['reward', 'objective/rlhf_reward', 'objective/scores', 'eval_reward'] },
  { title: 'curve.kl', names: ['kl', 'objective/kl', 'kl_limit'] },
  { title: 'curve.loss', names: ['loss', 'eval_loss'] },
  { title: 'curve.entropy', names: ['entropy', 'policy/entropy_avg', 'entropy_floor'] },
  { title: 'curve.token', names: ['mean_token_accuracy', 'eval_mean_token_accuracy'], range: [0, 1] },
  { title: 'curve.length', names: ['completions/mean_length', 'completion_length'] },
  { title: 'curve.gradient', names: ['grad_norm'] },
  { title: 'curve.rate', names: ['learning_rate'] },
]

export interface Curve {
  title: Key
  range?: [number, number]
  x: number[]
  series: { label: string; values: (number | null)[] }[]
}

const numberOf = (v: unknown): number | null => (typeof v === 'number' && Number.isFinite(v) ? v : null)

export function curvesOf(rows: MetricRow[]): Curve[] {
  const out: Curve[] = []
  for (const group of groups) {
    const names = group.names.filter((n) => rows.some((r) => numberOf(r[n]) !== null))
    if (!names.length) continue
    const used = rows.filter((r) => names.some((n) => numberOf(r[n]) !== null))
    out.push({
      title: group.title,
      range: group.range,
      x: used.map((r) => Number(r.step)),
      series: names.map((n) => ({ label: n, values: used.map((r) => numberOf(r[n])) })),
    })
  }
  return out
}
