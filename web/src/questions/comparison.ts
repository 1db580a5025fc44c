/* A comparison: {choice: a | b | tie | both_bad, strength: 1..3, order}. The two stand in an order that a hash of record and person
 * decides, so that neither place nor name tells which is which; `order` says how they stood. */
import { t } from '../texts'
import type { QuestionPart } from '../types'
import { optionText } from './kind'

export type Side = 'a' | 'b'
export interface Compared {
  choice: Side | 'tie' | 'both_bad'
  strength?: number
  order?: [Side, Side]
}

/* FNV-1a. */
export function orderOf(record: string, person: string): [Side, Side] {
  let h = 0x811c9dc5
  for (const c of record + person) h = Math.imul(h ^ c.charCodeAt(0), 0x01000193)
  return ((h >>> 16) ^ h) & 1 ? ['b', 'a'] : ['a', 'b']
}

export const complete = (_: QuestionPart, value: unknown): boolean => !!(value as Compared | undefined)?.choice

/* 1 and 2 are the places on the screen; the same side again is stronger. */
export function choose(q: QuestionPart, value: unknown, choice: Compared['choice'], order: [Side, Side]): Compared {
  const old = value as Compared | undefined, side = choice === 'a' || choice === 'b'
  if (!q.settings.strength || !side) return { choice, order }
  return { choice, order, strength: old?.choice === choice ? ((old.strength ?? 1) % 3) + 1 : 1 }
}

/* A choice by place, for many records at once: 'a' is what stands first in each. */
export function placed(value: unknown, record: string, person: string): unknown {
  const v = value as Compared, order = orderOf(record, person)
  return { ...v, order, choice: v.choice === 'a' ? order[0] : v.choice === 'b' ? order[1] : v.choice }
}

let shown: [Side, Side] = ['a', 'b']
/* Which order the keys mean: that of the record on screen. */
export const showing = (order: [Side, Side]): void => {
  shown = order
}

export function digit(q: QuestionPart, value: unknown, n: number): unknown {
  const choices: Compared['choice'][] = [shown[0], shown[1], 'tie', 'both_bad']
  return n >= 1 && n <= 4 ? choose(q, value, choices[n - 1], shown) : undefined
}

export function words(q: QuestionPart, value: unknown): string {
  const v = value as Compared
  if (v?.choice === 'tie') return t('compare.tie')
  if (v?.choice === 'both_bad') return t('compare.bad')
  return v?.choice ? optionText(q, v.choice) + (v.strength && v.strength > 1 ? ' ' + '+'.repeat(v.strength - 1) : '') : ''
}
