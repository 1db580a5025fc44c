/* Which records are looked at: a queue, or a search. The address holds it, so that it can be kept and sent to somebody. */
import type { AnswerStatus, QuestionPart } from '../types'

export type Status = 'pending' | AnswerStatus

export interface Choice {
  scope: Record<string, string>
  values?: (string | number)[]
  ge?: number
  le?: number
  words: string
}

export interface SortKey {
  scope: Record<string, string>
  order: 'asc' | 'desc'
}

export interface Query {
  status: Status
  text: string
  filters: Choice[]
  sort: SortKey[]
  similar: { record: string; vector: string; order: 'most_similar' | 'least_similar' } | null
}

function parsed<T>(text: string | undefined, fallback: T): T {
  try {
    return text ? (JSON.parse(text) as T) : fallback
  } catch {
    return fallback
  }
}

const statuses: Status[] = ['pending', 'draft', 'submitted', 'discarded']

export function readQuery(q: Record<string, string>): Query {
  const status = statuses.find((s) => s === q.status) ?? 'pending'
  return { status, text: q.q ?? '', filters: parsed(q.f, []), sort: parsed(q.sort, []), similar: parsed(q.similar, null) }
}

export function writeQuery(q: Query): Record<string, string | undefined> {
  return {
    status: q.status === 'pending' ? undefined : q.status,
    q: q.text || undefined,
    f: q.filters.length ? JSON.stringify(q.filters) : undefined,
    sort: q.sort.length ? JSON.stringify(q.sort) : undefined,
    similar: q.similar ? JSON.stringify(q.similar) : undefined,
  }
}

/* The server hands out what comes next; anything more special is a search. */
export const isQueue = (q: Query): boolean => q.status === 'pending' && !q.text && !q.filters.length && !q.sort.length && !q.similar

const terms = (scope: Record<string, string>, values: (string | number)[]) => ({ type: 'terms', scope, values })

/* The body of POST …/records/search. */
export function searchBody(q: Query): unknown {
  const all: unknown[] = [terms({ entity: 'response', property: 'status' }, [q.status])]
  if (q.status === 'pending') all.push(terms({ entity: 'record', property: 'status' }, ['pending']))
  for (const f of q.filters) all.push(f.values ? terms(f.scope, f.values) : { type: 'range', scope: f.scope, ge: f.ge, le: f.le })
  const query: Record<string, unknown> = {}
  if (q.text) query.text = { q: q.text }
  if (q.similar) query.vector = { name: q.similar.vector, record_id: q.similar.record, order: q.similar.order }
  return { query, filters: { type: 'and', and: all }, ...(q.sort.length && !q.similar ? { sort: q.sort } : {}) }
}

/* Questions whose answers can be filtered by. */
export const filterable = (q: QuestionPart): boolean =>
  ['rating', 'label_selection', 'multi_label_selection', 'comparison'].includes(q.settings.type)
