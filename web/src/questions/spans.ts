/* Stretches of a text: {label, start, end} in code points, as the server counts; the page counts UTF-16. */

export interface Spanned {
  label: string
  start: number
  end: number
}

export const points = (text: string): string[] => Array.from(text)

/* Index of a code point → index in the string. */
export function offsets(text: string): number[] {
  const out = [0]
  for (const c of text) out.push(out[out.length - 1] + c.length)
  return out
}

export function pointAt(table: number[], offset: number): number {
  let low = 0, high = table.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (table[middle] <= offset) low = middle
    else high = middle - 1
  }
  return low
}

/* Words of a text, as [start, end] in code points; what stands between them is in none. */
export function wordsOf(text: string): [number, number][] {
  const table = offsets(text), out: [number, number][] = []
  const cut = new Intl.Segmenter(document.documentElement.lang, { granularity: 'word' })
  for (const s of cut.segment(text)) if (s.segment.trim()) out.push([pointAt(table, s.index), pointAt(table, s.index + s.segment.length)])
  return out
}

/* Grown to whole words. */
export function snapped(words: [number, number][], start: number, end: number): [number, number] {
  const touched = words.filter(([a, b]) => a < end && b > start)
  return touched.length ? [Math.min(start, touched[0][0]), Math.max(end, touched[touched.length - 1][1])] : [start, end]
}

/* The new one in its place; without overlapping, it takes the place of what it covers. The same one again takes it away. */
export function withSpan(old: Spanned[], one: Spanned, overlapping: boolean): Spanned[] {
  const same = (s: Spanned) => s.start === one.start && s.end === one.end
  if (old.some((s) => same(s) && s.label === one.label)) return old.filter((s) => !(same(s) && s.label === one.label))
  const rest = overlapping ? old : old.filter((s) => s.end <= one.start || s.start >= one.end)
  return [...rest, one].sort((a, b) => a.start - b.start || a.end - b.end)
}

/* The text in pieces that each lie in the same spans. */
export function pieces(text: string, spans: Spanned[]): { start: number; text: string; spans: Spanned[] }[] {
  const all = points(text), cuts = new Set([0, all.length])
  for (const s of spans) cuts.add(Math.min(s.start, all.length)).add(Math.min(s.end, all.length))
  const at = [...cuts].sort((a, b) => a - b)
  return at.slice(0, -1).map((start, i) => ({
    start,
    text: all.slice(start, at[i + 1]).join(''),
    spans: spans.filter((s) => s.start <= start && s.end >= at[i + 1]),
  }))
}
