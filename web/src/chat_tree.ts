/* A conversation as a tree: editing or regenerating makes a sibling, and one path is shown. */
export interface Node {
  id: string
  parent: string | null
  role: 'system' | 'user' | 'assistant'
  content: string
  completion_id?: string | null
  model?: string | null
  finish?: string | null /* why it ended; "cancelled": somebody stopped it */
  edited?: boolean /* the person's own words in the place of an answer, a sibling of it with its completion_id */
  thumb?: 'up' | 'down' | null
}

export const childrenOf = (all: Node[], parent: string | null): Node[] => all.filter((n) => n.parent === parent)

/* What was said of an answer, all of it: a thumb, and the newest words in its place. */
export function opinionOn(all: Node[], completion: string) {
  const of = all.filter((n) => n.completion_id === completion)
  return { id: completion, thumb: of.find((n) => !n.edited)?.thumb ?? null, text: of.findLast((n) => n.edited)?.content ?? null }
}

/* From the root to `leaf`; without one, the newest branch. */
export function pathTo(all: Node[], leaf: string | null): Node[] {
  const by = new Map(all.map((n) => [n.id, n]))
  if (leaf && by.has(leaf)) {
    const path: Node[] = []
    for (let n = by.get(leaf); n; n = n.parent ? by.get(n.parent) : undefined) path.unshift(n)
    return downFrom(all, path)
  }
  return downFrom(all, [])
}

/* The path, and below its end the newest child each time. */
export function downFrom(all: Node[], path: Node[]): Node[] {
  const out = [...path]
  for (;;) {
    const next = childrenOf(all, out.at(-1)?.id ?? null).at(-1)
    if (!next) return out
    out.push(next)
  }
}
