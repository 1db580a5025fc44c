/* The keyboard: which keys do what here and now. A screen registers a map while it is shown; the newest one wins.
 *
 *     $effect(() => keys('annotate', [{ keys: 'Enter', words: t('key.submit'), run: submit }]))
 *
 * A combination is written 'Ctrl+s', 'Shift+Enter', '?', 'ArrowLeft'; several with a space between. Ctrl also means Cmd. Plain keys
 * are left alone while somebody types, unless `typing` is set; an Escape that nobody takes leaves what is typed in. */

import { untrack } from 'svelte'

export interface Binding {
  keys: string
  words: string /* for the help; '' leaves it out */
  run: (e: KeyboardEvent) => void | false /* false: not taken, the browser goes on */
  typing?: boolean
}

interface Layer {
  name: string
  bindings: Binding[]
}

class Keyboard {
  layers = $state.raw<Layer[]>([])
  help = $state(false)
}
export const keyboard = new Keyboard()

function pressed(e: KeyboardEvent): string {
  const letter = e.key.length === 1
  const shift = e.shiftKey && (!letter || /[a-z]/i.test(e.key))
  return (e.ctrlKey || e.metaKey ? 'Ctrl+' : '') + (e.altKey ? 'Alt+' : '') + (shift ? 'Shift+' : '') + (letter ? e.key.toLowerCase() : e.key)
}

export function isTyping(target: EventTarget | null): boolean {
  const el = target instanceof HTMLElement ? target : null
  if (!el) return false
  if (el.isContentEditable || el.tagName === 'TEXTAREA' || el.tagName === 'SELECT') return true
  return el instanceof HTMLInputElement && !['checkbox', 'radio', 'button', 'range', 'submit'].includes(el.type)
}

/* Enter and Space press the button that has the focus. */
const pressesIt = (e: KeyboardEvent): boolean =>
  (e.key === 'Enter' || e.key === ' ') && e.target instanceof HTMLElement && !!e.target.closest('a[href], summary, button:not([data-answer])')

function hear(e: KeyboardEvent): void {
  if (e.defaultPrevented || e.isComposing) return
  const combination = pressed(e), typing = isTyping(e.target)
  if (document.querySelector('dialog[open]')) return
  if (combination === '?' && !typing) {
    keyboard.help = true
    e.preventDefault()
    return
  }
  for (const layer of [...keyboard.layers].reverse())
    for (const b of layer.bindings) {
      if (!b.keys.split(' ').includes(combination) || (typing && !b.typing) || (!b.typing && pressesIt(e))) continue
      if (b.run(e) === false) continue
      e.preventDefault()
      return
    }
  if (combination === 'Escape' && typing) {
    ;(e.target as HTMLElement).blur()
    e.preventDefault()
  }
}

addEventListener('keydown', hear)

/* Registers; the result takes it back. */
export function keys(name: string, bindings: Binding[]): () => void {
  untrack(() => (keyboard.layers = [...keyboard.layers, { name, bindings }]))
  return () => untrack(() => (keyboard.layers = keyboard.layers.filter((l) => l.bindings !== bindings)))
}
