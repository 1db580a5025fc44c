/* The types of questions: one file and one row each. */
import type { QuestionPart } from '../types'
import comparison from './Comparison.svelte'
import { complete as comparisonComplete, digit as comparisonDigit, placed, words as comparisonWords } from './comparison'
import { optionText, options, type QuestionType } from './kind'
import label from './Label.svelte'
import multi from './MultiLabel.svelte'
import ranking from './Ranking.svelte'
import { complete as ranked, digit as rank, words as order } from './ranking'
import rating from './Rating.svelte'
import span from './Span.svelte'
import text from './Text.svelte'

const none = (v: unknown): boolean => v === undefined || v === null
const noList = (v: unknown): boolean => !Array.isArray(v) || v.length === 0
const toggled = (list: unknown, x: string): string[] => {
  const old = Array.isArray(list) ? (list as string[]) : []
  return old.includes(x) ? old.filter((y) => y !== x) : [...old, x]
}

const rows: QuestionType[] = [
  {
    type: 'text', Ask: text, empty: (v) => none(v) || v === '', complete: (_, v) => typeof v === 'string' && v.trim() !== '', words: (_, v) => String(v),
  },
  {
    type: 'rating', Ask: rating, empty: none, complete: (_, v) => typeof v === 'number', words: (_, v) => String(v), alone: true,
    digit: (q, _, n) => (q.settings.options?.some((o) => (o.value as unknown) === n) ? n : undefined), most: () => 10,
  },
  {
    type: 'label_selection', Ask: label, empty: none, complete: (_, v) => typeof v === 'string', words: optionText, alone: true,
    digit: (q, _, n) => options(q)[n - 1]?.value, most: (q) => options(q).length,
  },
  {
    type: 'multi_label_selection', Ask: multi, empty: noList, complete: (_, v) => !noList(v),
    words: (q, v) => (noList(v) ? '' : (v as string[]).map((x) => optionText(q, x)).join(', ')),
    digit: (q, v, n) => (options(q)[n - 1] ? toggled(v, options(q)[n - 1].value) : undefined), most: (q) => options(q).length,
  },
  { type: 'ranking', Ask: ranking, empty: noList, complete: ranked, words: order, digit: rank, most: (q) => options(q).length },
  {
    type: 'span', Ask: span, empty: none, complete: (_, v) => Array.isArray(v),
    words: (q, v) => (noList(v) ? '' : (v as { label: string }[]).map((x) => optionText(q, x.label)).join(', ')),
  },
  {
    type: 'comparison', Ask: comparison, empty: none, complete: comparisonComplete, words: comparisonWords, digit: comparisonDigit, most: () => 4, alone: true,
    forRecord: placed,
  },
]

export const questionTypes: Record<string, QuestionType> = Object.fromEntries(rows.map((r) => [r.type, r]))

export const isEmpty = (q: QuestionPart, value: unknown): boolean => questionTypes[q.settings.type]?.empty(value) ?? true

/* Whether a value may be sent as the final answer; `orEmpty`: also when there is none. */
export const isComplete = (q: QuestionPart, value: unknown, orEmpty = false): boolean =>
  (orEmpty && isEmpty(q, value)) || (questionTypes[q.settings.type]?.complete(q, value) ?? false)

export const valueWords = (q: QuestionPart, value: unknown): string =>
  none(value) ? '' : (questionTypes[q.settings.type]?.words(q, value) ?? JSON.stringify(value))
