/* What the columns of some rows hold: type, how many are empty, lengths or values, and a histogram. */
import type { Row } from './rows'

export interface Column {
  name: string
  type: string
  empty: number
  distinct: number
  low: string
  high: string
  bars: { label: string; count: number }[]
}

const typeOf = (v: unknown): string => {
  if (v === null || v === undefined || v === '') return 'empty'
  if (Array.isArray(v)) return v.every((m) => m && typeof m === 'object' && 'role' in m) ? 'messages' : 'list'
  return typeof v === 'bigint' ? 'number' : typeof v
}

/* A value as people read it: lists of words one after the other, conversations turn by turn, other structures as JSON. */
export function cellText(v: unknown): string {
  if (v === null || v === undefined) return ''
  if (typeof v === 'string') return v
  if (Array.isArray(v) && v.length) {
    if (v.every((x) => ['string', 'number', 'boolean'].includes(typeof x))) return v.join(', ')
    if (v.every((x) => typeof x?.content === 'string')) return v.map((x) => `${x.role}: ${x.content}`).join('\n')
  }
  return JSON.stringify(v, (_, x) => (typeof x === 'bigint' ? Number(x) : x))
}

function histogram(numbers: number[], whole: boolean): Column['bars'] {
  if (!numbers.length) return []
  const low = Math.min(...numbers), high = Math.max(...numbers), count = 10
  const wide = (high - low) / count || 1, bars = new Array(count).fill(0) as number[]
  for (const n of numbers) bars[Math.min(count - 1, Math.floor((n - low) / wide))]++
  const say = (x: number) => (whole ? String(Math.round(x)) : String(Number(x.toPrecision(3))))
  return bars.map((c, i) => ({ label: `${say(low + i * wide)} – ${say(low + (i + 1) * wide)}`, count: c }))
}

function counted(texts: string[]): Column['bars'] {
  const all = new Map<string, number>()
  for (const x of texts) all.set(x, (all.get(x) ?? 0) + 1)
  return [...all].sort((a, b) => b[1] - a[1]).slice(0, 10).map(([label, count]) => ({ label, count }))
}

function columnOf(name: string, values: unknown[]): Column {
  const full = values.filter((v) => typeOf(v) !== 'empty')
  const kinds = [...new Set(full.map(typeOf))], type = kinds.length === 1 ? kinds[0] : kinds.length ? 'mixed' : 'empty'
  const texts = full.map(cellText), distinct = new Set(texts).size
  const numeric = type === 'number', few = !numeric && distinct <= 10 && distinct < full.length / 2
  const measured = numeric ? full.map(Number) : texts.map((x) => x.length)
  const bars = few ? counted(texts) : histogram(measured, !numeric)
  const low = measured.length ? Math.min(...measured) : 0, high = measured.length ? Math.max(...measured) : 0
  return { name, type, empty: values.length - full.length, distinct, low: String(low), high: String(high), bars }
}

export function columnsOf(rows: Row[]): Column[] {
  const names = [...new Set(rows.flatMap((r) => Object.keys(r)))]
  return names.map((name) => columnOf(name, rows.map((r) => r[name])))
}
