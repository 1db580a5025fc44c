/* Short messages at the edge of the page: what was done, with a way back; what failed. */

export interface Message {
  id: number
  text: string
  kind: 'done' | 'failed'
  action?: { label: string; run: () => void }
}

export const messages = $state<Message[]>([])
let next = 1

export function toast(text: string, o: Partial<Pick<Message, 'kind' | 'action'>> = {}): void {
  const one: Message = { id: next++, text, kind: o.kind ?? 'done', action: o.action }
  messages.push(one)
  if (messages.length > 3) messages.shift()
  setTimeout(() => dismiss(one.id), one.kind === 'failed' ? 12000 : 5000)
}

export function dismiss(id: number): void {
  const at = messages.findIndex((m) => m.id === id)
  if (at >= 0) messages.splice(at, 1)
}
