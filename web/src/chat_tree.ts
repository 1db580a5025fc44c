/* A conversation as a tree: editing or regenerating makes a sibling, and one path is shown. */
export interface Node {
  id: string
  parent: string | null
  role: 'system' | 'user' | 'assistant'
  content: string
  completion_id?: string | null
  model?: string | null
  thumb?: 'up' | 'down' | null
}

export const childrenOf = (all: Node[], parent: string | null): Node[] => all.filter((n) => n.parent === parent)

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
