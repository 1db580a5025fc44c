/* The work on one dataset: which records, which is shown, what is answered, and the way back.
 *
 *     trail    records that were shown, and the place in it; → at its end takes the next one from `ahead`
 *     ahead    the next ones, fetched before they are wanted: nothing is waited for between two records
 *     done     what can be undone: changed values and given answers, over all records
 *
 * Answers go through the queue (../queue.svelte.ts), so that no click waits for the server and nothing is lost without it. */
import { get, post, remove, said } from '../api'
import { dropEntry, onSaved, queue, unsaved, write } from '../queue.svelte'
import { isComplete } from '../questions'
import { on } from '../events'
import { preferences } from '../preferences.svelte'
import { session } from '../session.svelte'
import { t } from '../texts'
import type { DataRecord, Dataset, FieldPart, MetadataPart, QuestionPart, VectorPart } from '../types'
import { toast } from '../ui/toasts.svelte'
import { isQueue, searchBody, type Query, type Status } from './query'
import { Sheet, type Raw } from './sheet.svelte'

const AHEAD = 3, PAGE = 20, DRAFT_AFTER = 900, EDIT_AFTER = 200

interface Step {
  kind: 'value' | 'status'
  sheet: Sheet
  at: number
  name?: string /* of the question whose value changed */
  before: { status: Status; values: Raw; kept: { status: Status; values: Raw } }
  after: { status: Status; values: Raw }
}

export interface Counts {
  pending: number
  draft: number
  submitted: number
  discarded: number
}

export class Work {
  set = $state.raw<Dataset | null>(null)
  fields = $state.raw<FieldPart[]>([])
  questions = $state.raw<QuestionPart[]>([])
  properties = $state.raw<MetadataPart[]>([])
  vectors = $state.raw<VectorPart[]>([])
  query = $state.raw<Query>({ status: 'pending', text: '', filters: [], sort: [], similar: null })
  trail = $state.raw<Sheet[]>([])
  at = $state(0)
  loading = $state(true)
  error = $state('')
  counts = $state<Counts>({ pending: 0, draft: 0, submitted: 0, discarded: 0 })
  found = $state(0) /* records of the search */
  active = $state(0) /* the question that keys answer */
  missing = $state('') /* the question that still needs an answer */
  label = $state<Record<string, string>>({}) /* chosen label of each span question */
  pace = $state(0) /* seconds for a record, of this sitting */
  done = $state.raw<Step[]>([])
  undone = $state.raw<Step[]>([])
  private ahead: Sheet[] = []
  private ended = false
  private filling: Promise<void> | null = null
  private round = 0
  private timers: Record<string, ReturnType<typeof setTimeout>> = {}
  private times: number[] = []
  private lastAnswer = 0

  constructor(readonly id: string) {}

  get sheet(): Sheet | undefined {
    return this.trail[this.at]
  }

  get queued(): boolean {
    return isQueue(this.query)
  }

  /* ---- beginning and ending ---- */

  async open(query: Query): Promise<void> {
    this.query = query
    try {
      const [set, fields, questions, properties, vectors] = await Promise.all([
        get<Dataset>(`/api/v1/datasets/${this.id}`),
        get<{ items: FieldPart[] }>(`/api/v1/datasets/${this.id}/fields`),
        get<{ items: QuestionPart[] }>(`/api/v1/datasets/${this.id}/questions`),
        get<{ items: MetadataPart[] }>(`/api/v1/me/datasets/${this.id}/metadata-properties`),
        get<{ items: VectorPart[] }>(`/api/v1/datasets/${this.id}/vectors-settings`),
      ])
      this.set = set
      this.fields = fields.items
      this.questions = questions.items
      this.properties = properties.items
      this.vectors = vectors.items
      for (const q of this.questions) {
        const first = q.settings.options?.[0]
        if (q.settings.type === 'span' && first && !this.label[q.name]) this.label[q.name] = String(first.value)
      }
      void this.count()
      await this.begin()
    } catch (e) {
      this.error = said(e)
      this.loading = false
    }
  }

  /* Answers of this page that reached the server change the numbers; they are asked for when it is quiet. */
  watch(): () => void {
    const off = onSaved((entry) => {
      if (!entry.about.startsWith('answer:')) return
      clearTimeout(this.timers.count)
      this.timers.count = setTimeout(() => void this.count(), 2500)
    })
    const renew = setInterval(() => this.sheet?.held && void this.hold(this.sheet), 300000)
    const back = on('open', () => this.error && !this.sheet && void this.again())
    const leave = () => this.leave()
    addEventListener('pagehide', leave)
    return () => {
      off()
      back()
      clearInterval(renew)
      removeEventListener('pagehide', leave)
      this.leave()
      this.round++
    }
  }

  leave(): void {
    for (const sheet of this.ahead) this.release(sheet)
    if (!this.sheet) return
    this.saveNow(this.sheet)
    this.release(this.sheet)
  }

  async count(): Promise<void> {
    try {
      const [mine, left] = await Promise.all([
        get<{ responses: Record<string, number> }>(`/api/v1/me/datasets/${this.id}/metrics`),
        post<{ total: number }>(`/api/v1/me/datasets/${this.id}/records/search?limit=1`, searchBody({ status: 'pending', text: '', filters: [], sort: [], similar: null }), { key: '' }),
      ])
      const r = mine.responses
      this.counts = { pending: left.total, draft: r.draft, submitted: r.submitted, discarded: r.discarded }
    } catch {
      /* the numbers stay as they are */
    }
  }

  /* The records of the query, from the first. */
  async begin(): Promise<void> {
    this.leave()
    const round = ++this.round
    this.trail = []
    this.ahead = []
    this.at = 0
    this.ended = false
    this.filling = null
    this.found = 0
    this.error = ''
    this.loading = true
    await this.fill()
    if (round !== this.round) return
    this.loading = false
    await this.forward()
  }

  async look(query: Query): Promise<void> {
    this.query = query
    await this.begin()
  }

  /* ---- fetching ---- */

  private fill(): Promise<void> {
    this.filling ??= this.fetch().finally(() => (this.filling = null))
    return this.filling
  }

  private known(): Sheet[] {
    return [...this.trail, ...this.ahead]
  }

  private async fetch(): Promise<void> {
    const round = this.round
    if (this.ended || this.ahead.length >= AHEAD) return
    try {
      const list = this.queued ? await this.fetchQueue() : await this.fetchSearch()
      if (round !== this.round) return
      const ids = new Set(this.known().map((s) => s.record.id))
      const fresh = list.filter((r) => !ids.has(r.id)).map((r) => new Sheet(r, this.questions))
      this.ended = !fresh.length
      this.ahead.push(...fresh)
      this.error = ''
    } catch (e) {
      if (round === this.round) this.error = said(e)
    }
  }

  private async fetchQueue(): Promise<DataRecord[]> {
    const except = this.known().slice(-490).map((s) => s.record.id)
    const waiting = queue.entries.map((x) => x.about.replace(/^answer:/, '')).filter((x) => !except.includes(x)).slice(0, 10)
    const order = preferences.order[this.id] ?? 'sequential'
    const body = { order, count: AHEAD + 1 - this.ahead.length, except: [...except, ...waiting.filter((x) => /^[0-9a-f-]{36}$/.test(x))] }
    return (await post<{ items: DataRecord[] }>(`/api/v1/me/datasets/${this.id}/next`, body, { key: '' })).items
  }

  /* What was answered since has left the list: so many fewer stand before the next ones. */
  private async fetchSearch(): Promise<DataRecord[]> {
    const offset = this.known().filter((s) => s.kept.status === this.query.status).length
    const page = await this.search(this.query, offset, PAGE)
    this.found = page.total + this.known().length - offset
    return page.items
  }

  async search(query: Query, offset: number, limit: number): Promise<{ items: DataRecord[]; total: number }> {
    const path = `/api/v1/me/datasets/${this.id}/records/search?include=responses,suggestions&offset=${offset}&limit=${limit}`
    const page = await post<{ items: { record: DataRecord }[]; total: number }>(path, searchBody(query), { key: '' })
    return { items: page.items.map((x) => x.record), total: page.total }
  }

  /* ---- moving ---- */

  private show(at: number): void {
    this.at = at
    this.active = 0
    this.missing = ''
    const sheet = this.sheet
    if (!sheet) return
    void sheet.restore()
    if (this.queued && sheet.status === 'pending') void this.hold(sheet)
    const filled = this.ahead.length < AHEAD ? this.fill() : Promise.resolve()
    if (this.queued) void filled.then(() => this.reserve())
  }

  /* The record that comes next is held too, so that two people who go through one queue do not meet at every second record. */
  private async reserve(): Promise<void> {
    const next = this.ahead[0], round = this.round
    if (!next || next.held || next.status !== 'pending') return
    next.held = true
    try {
      await post(`/api/v1/records/${next.record.id}/lease`, undefined, { key: '' })
      if (round !== this.round) this.release(next)
    } catch (e) {
      next.held = false
      if ((e as { status?: number }).status !== 409 || this.ahead[0] !== next) return
      this.ahead.shift()
      void this.fill().then(() => this.reserve())
    }
  }

  async forward(): Promise<void> {
    const from = this.sheet
    if (from) this.saveNow(from)
    if (this.at + 1 < this.trail.length) return this.turn(from, this.at + 1)
    if (!this.ahead.length) await this.fill()
    const next = this.ahead.shift()
    if (next) this.trail = [...this.trail, next]
    if (next || this.trail.length) this.turn(from, next ? this.trail.length - 1 : this.trail.length)
  }

  /* After something could not be fetched: the dataset, or the next records. */
  async again(): Promise<void> {
    this.error = ''
    if (!this.set) return this.open(this.query)
    return this.trail.length ? this.forward() : this.begin()
  }

  back(): void {
    if (this.at <= 0) return
    if (this.sheet) this.saveNow(this.sheet)
    this.turn(this.sheet, this.at - 1)
  }

  private turn(from: Sheet | undefined, to: number): void {
    if (from) this.release(from)
    this.show(to)
  }

  goTo(sheet: Sheet): void {
    const at = this.trail.indexOf(sheet)
    if (at === this.at) return
    if (this.sheet) this.saveNow(this.sheet)
    if (at < 0) this.trail = [...this.trail, sheet]
    this.turn(this.sheet, at < 0 ? this.trail.length - 1 : at)
  }

  /* Nobody else is given a record while it is shown here. */
  private async hold(sheet: Sheet): Promise<void> {
    sheet.held = true
    try {
      await post(`/api/v1/records/${sheet.record.id}/lease`, undefined, { key: '' })
    } catch (e) {
      sheet.held = false
      if ((e as { status?: number }).status !== 409 || this.sheet !== sheet || sheet.changed) return
      toast(t('annotate.held'))
      this.trail = this.trail.filter((s) => s !== sheet)
      this.at = Math.max(0, this.at - 1)
      if (this.at + 1 < this.trail.length || this.trail.length) void this.forward()
      else void this.begin()
    }
  }

  private release(sheet: Sheet): void {
    if (!sheet.held) return
    sheet.held = false
    if (sheet.status === 'pending') void remove(`/api/v1/records/${sheet.record.id}/lease`, { key: '' }).catch(() => {})
  }

  /* ---- answering ---- */

  private state(sheet: Sheet): Step['before'] {
    return { status: sheet.status, values: sheet.values, kept: sheet.kept }
  }

  change(q: QuestionPart, value: unknown, sheet = this.sheet): void {
    if (!sheet) return
    const before = this.state(sheet), last = this.done.at(-1)
    sheet.values = { ...sheet.values, [q.name]: value }
    sheet.changed = true
    if (this.missing === q.name) this.missing = ''
    const goesOn = last?.kind === 'value' && last.sheet === sheet && last.name === q.name && q.settings.type === 'text' && Date.now() - last.at < 1500
    const step: Step = { kind: 'value', sheet, at: Date.now(), name: q.name, before: goesOn ? last.before : before, after: this.state(sheet) }
    this.done = [...(goesOn ? this.done.slice(0, -1) : this.done.slice(-199)), step]
    this.undone = []
    this.later(sheet)
  }

  /* Kept in this browser at once; a draft goes to the server when the typing rests. What was submitted stays so until it is sent again. */
  private later(sheet: Sheet): void {
    const id = sheet.record.id
    clearTimeout(this.timers[`edit:${id}`])
    this.timers[`edit:${id}`] = setTimeout(() => sheet.changed && sheet.keep(), EDIT_AFTER)
    clearTimeout(this.timers[id])
    if (sheet.status === 'pending' || sheet.status === 'draft') this.timers[id] = setTimeout(() => this.saveNow(sheet), DRAFT_AFTER)
  }

  saveNow(sheet: Sheet): void {
    clearTimeout(this.timers[sheet.record.id])
    if (!sheet.changed) return
    sheet.keep()
    if (sheet.status === 'pending' || sheet.status === 'draft') this.put(sheet, 'draft')
  }

  private put(sheet: Sheet, status: 'draft' | 'submitted' | 'discarded'): void {
    const values = sheet.packed(this.questions), old = sheet.kept.status
    clearTimeout(this.timers[sheet.record.id])
    clearTimeout(this.timers[`edit:${sheet.record.id}`])
    sheet.kept = { status, values: sheet.values }
    sheet.status = status
    sheet.changed = false
    this.counts[old] = Math.max(0, this.counts[old] - 1)
    this.counts[status]++
    const body = { items: [{ record_id: sheet.record.id, status, values }] }
    void write('POST', '/api/v1/me/responses/bulk', body, sheet.name, t('annotate.answer', { what: this.name(sheet) })).then(() => sheet.forget())
  }

  /* A few words of a record. */
  name(sheet: Sheet): string {
    const first = Object.values(sheet.record.fields).find((v) => typeof v === 'string') as string | undefined
    return sheet.record.external_id ?? (first ?? sheet.record.id).slice(0, 40)
  }

  /* The answer is given; on to the next record. False: something still has to be answered. */
  give(status: 'draft' | 'submitted' | 'discarded', stay = false): boolean {
    const sheet = this.sheet
    if (!sheet) return false
    if (status === 'submitted') {
      const at = this.questions.findIndex((q) => q.required && !isComplete(q, sheet.values[q.name]))
      const half = this.questions.findIndex((q) => !q.required && sheet.values[q.name] !== undefined && !isComplete(q, sheet.values[q.name], true))
      const lacking = at >= 0 ? at : half
      if (lacking >= 0) {
        this.active = lacking
        this.missing = this.questions[lacking].name
        return false
      }
    }
    const before = this.state(sheet)
    this.put(sheet, status)
    this.done = [...this.done.slice(-199), { kind: 'status', sheet, at: Date.now(), before, after: this.state(sheet) }]
    this.undone = []
    if (status !== 'draft') this.tick()
    if (!stay) void this.forward()
    return true
  }

  /* An answer to a record that is not shown: of several at once. */
  giveTo(sheet: Sheet, status: 'draft' | 'submitted' | 'discarded', values: Raw): void {
    const before = this.state(sheet)
    sheet.values = values
    this.put(sheet, status)
    this.done = [...this.done.slice(-1999), { kind: 'status', sheet, at: Date.now(), before, after: this.state(sheet) }]
    this.undone = []
  }

  /* Takes the last step back without showing its record. */
  undoOne(): void {
    const step = this.done.at(-1)
    if (!step) return
    this.done = this.done.slice(0, -1)
    this.undone = [...this.undone, step]
    this.apply(step, true, false)
  }

  /* When everything is on the server, or it is clear that it will not be soon. */
  async saved(): Promise<void> {
    for (let i = 0; i < 100 && queue.entries.some((x) => !x.refused) && !queue.problem; i++) await new Promise((r) => setTimeout(r, 50))
  }

  private tick(): void {
    const now = Date.now(), gap = (now - this.lastAnswer) / 1000
    if (this.lastAnswer && gap < 300) this.times = [...this.times.slice(-19), gap]
    this.lastAnswer = now
    const sorted = [...this.times].sort((a, b) => a - b)
    this.pace = sorted.length ? sorted[sorted.length >> 1] : 0
  }

  /* ---- the way back ---- */

  undo(): void {
    const step = this.done.at(-1)
    if (!step) return
    this.done = this.done.slice(0, -1)
    this.undone = [...this.undone, step]
    this.apply(step, true)
  }

  redo(): void {
    const step = this.undone.at(-1)
    if (!step) return
    this.undone = this.undone.slice(0, -1)
    this.done = [...this.done, step]
    this.apply(step, false)
    if (step.kind === 'status' && step.after.status !== 'draft') void this.forward()
  }

  private apply(step: Step, back: boolean, show = true): void {
    const to = back ? step.before : step.after, sheet = step.sheet
    if (show) this.goTo(sheet)
    sheet.values = to.values
    sheet.changed = true
    if (step.kind === 'value') return this.later(sheet)
    if (!back) return this.put(sheet, to.status as 'draft')
    if (step.before.kept.status === 'pending') return void this.takeBack(sheet)
    const kept = step.before.kept
    sheet.values = kept.values
    this.put(sheet, kept.status as 'draft')
    sheet.values = to.values
    sheet.changed = to.values !== kept.values
    if (sheet.changed) this.later(sheet)
  }

  /* As if it had never been answered: an answer that is not on its way yet goes no further, one that is gets deleted. */
  private async takeBack(sheet: Sheet): Promise<void> {
    this.counts[sheet.kept.status] = Math.max(0, this.counts[sheet.kept.status] - 1)
    this.counts.pending++
    sheet.kept = { status: 'pending', values: {} }
    sheet.status = 'pending'
    sheet.changed = false
    sheet.keep()
    const waiting = unsaved(sheet.name)
    if (waiting && !queue.sending) return void (await dropEntry(waiting))
    await write('DELETE', `/api/v1/responses/{mine:${sheet.record.id}}`, undefined, sheet.name, t('annotate.back', { what: this.name(sheet) }))
  }

  /* My answer as it was before its last change on the server: an entry of the history, put back. */
  putBack(values: Raw): void {
    const sheet = this.sheet
    if (!sheet) return
    const before = this.state(sheet)
    sheet.values = values
    sheet.changed = true
    this.done = [...this.done, { kind: 'value', sheet, at: 0, before, after: this.state(sheet) }]
    this.later(sheet)
  }

  get mine(): string {
    return session.me?.id ?? ''
  }
}
