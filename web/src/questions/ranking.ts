/* A ranking: [{value, rank}], rank 1 is the best, ties are allowed; unranked options are not in it. */
import type { QuestionPart } from '../types'
import { optionText, options } from './kind'

export interface Ranked {
  value: string
  rank: number | null
}

export const ranksOf = (value: unknown): Map<string, number> =>
  new Map((Array.isArray(value) ? (value as Ranked[]) : []).filter((x) => x.rank != null).map((x) => [x.value, x.rank!]))

export const ranking = (q: QuestionPart, ranks: Map<string, number>): Ranked[] =>
  options(q).filter((o) => ranks.has(o.value)).map((o) => ({ value: o.value, rank: ranks.get(o.value)! }))

export const complete = (q: QuestionPart, value: unknown): boolean => ranksOf(value).size === options(q).length

/* A digit ranks the first option that has no rank yet. */
export function digit(q: QuestionPart, value: unknown, n: number): unknown {
  const ranks = ranksOf(value), next = options(q).find((o) => !ranks.has(o.value))
  if (!next || n < 1 || n > options(q).length) return undefined
  return ranking(q, ranks.set(next.value, n))
}

export function words(q: QuestionPart, value: unknown): string {
  const ranks = [...ranksOf(value)].sort((a, b) => a[1] - b[1])
  return ranks.map(([v, r], i) => (i ? (r === ranks[i - 1][1] ? ' = ' : ' > ') : '') + optionText(q, v)).join('')
}
