/* What happens on the server: one stream for the whole page, opened again when it breaks, from where it broke.
 *
 *     const off = on('run', (data) => …)      off()      on('*', …) hears everything; on('open', …) every new beginning */
import { stream } from './api'

type Hear = (data: Record<string, unknown>, kind: string) => void

const heard = new Map<string, Set<Hear>>()
let after = -1
let running = false
let stop = new AbortController()

function tell(kind: string, data: Record<string, unknown>): void {
  for (const name of [kind, '*']) for (const hear of heard.get(name) ?? []) hear(data, kind)
}

function take(block: string): void {
  let kind = 'message', data = ''
  for (const line of block.split('\n')) {
    if (line.startsWith('id: ')) after = Number(line.slice(4))
    else if (line.startsWith('event: ')) kind = line.slice(7)
    else if (line.startsWith('data: ')) data += line.slice(6)
  }
  if (!data) return
  try {
    tell(kind, JSON.parse(data))
  } catch {
    /* a line that is no JSON says nothing */
  }
}

async function listen(): Promise<void> {
  let wait = 500
  while (running) {
    try {
      let rest = ''
      for await (const piece of stream('GET', '/api/v1/events' + (after >= 0 ? `?after=${after}` : ''), undefined, { signal: stop.signal })) {
        if (!rest && wait !== 500) tell('open', {})
        wait = 500
        const blocks = (rest + piece).split('\n\n')
        rest = blocks.pop()!
        blocks.forEach(take)
      }
    } catch {
      /* gone: try again below */
    }
    if (running) await new Promise((r) => setTimeout(r, wait))
    wait = Math.min(wait * 2, 15000)
  }
}

export function startEvents(): void {
  if (running) return
  running = true
  stop = new AbortController()
  void listen()
}

export function stopEvents(): void {
  running = false
  stop.abort()
}

export function on(kind: string, hear: Hear): () => void {
  if (!heard.has(kind)) heard.set(kind, new Set())
  heard.get(kind)!.add(hear)
  return () => heard.get(kind)!.delete(hear)
}
