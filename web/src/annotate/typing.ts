/* Numbers typed digit by digit: '1' means 1 at once, and 12 when a '2' follows in time, where there are that many. */
import { questionTypes } from '../questions'
import type { Work } from './work.svelte'

const TOGETHER = 600

export class Digits {
  private base: unknown
  private number = 0
  private at = 0
  private question = ''
  private timer: ReturnType<typeof setTimeout> | undefined

  /* True when it meant something. `alone`: called when the one question of a record has its answer. */
  press(work: Work, digit: number, current: unknown, change: (value: unknown) => void, alone: () => void): boolean {
    const q = work.questions[work.active], type = q && questionTypes[q.settings.type]
    if (!type?.digit) return false
    const most = type.most?.(q) ?? 9
    const goesOn = this.question === q.id && Date.now() - this.at < TOGETHER && this.number * 10 + digit <= most && this.number > 0
    if (!goesOn) this.base = current
    const n = goesOn ? this.number * 10 + digit : digit
    const value = type.digit(q, this.base, n)
    clearTimeout(this.timer)
    Object.assign(this, { question: q.id, at: Date.now(), number: n })
    const more = n > 0 && n * 10 <= most
    if (value === undefined) return more
    change(value)
    if (work.questions.length === 1 && type.alone && !q.settings.strength) {
      if (more) this.timer = setTimeout(alone, TOGETHER)
      else alone()
    }
    return true
  }
}
