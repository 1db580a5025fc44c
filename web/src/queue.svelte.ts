/* Writes that must not be lost: kept in this browser (IndexedDB) until the server has said that it has them.
 *
 *     write ──► entry on disk ──► sent, in order, under its own Idempotency-Key ──► acknowledged: gone from disk
 *                                  │ no connection, 5xx, 401: waits, tries again (a login, the server, the network came back)
 *                                  └ refused (4xx): stays with the server's words until somebody tries again or drops it
 *
 * A later write with the same `about` takes the place of one that is not on its way yet: drafts of one answer. */
import { ApiError, ask, newId, said } from './api'
import { session } from './session.svelte'

export interface Entry {
  id: string /* also the Idempotency-Key */
  at: number
  user: string
  method: string
  path: string
  body: unknown
  about: string /* what it is, for replacing: "answer:RECORD" */
  words: string /* for people: "answer to record 12" */
  refused?: string
}

export const queue = $state({
  entries: [] as Entry[],
  sending: false,
  problem: '' /* why nothing moves, in words */,
  savedAt: 0,
})

type Done = (entry: Entry, answer: unknown) => void
const watchers = new Set<Done>()

/* Called with the server's answer to each entry, also of those that an earlier page left behind. */
export function onSaved(done: Done): () => void {
  watchers.add(done)
  return () => watchers.delete(done)
}

/* ---- the disk ------------------------------------------------------------------------------------------------------------------- */

let disk: IDBDatabase | null = null

function openDisk(): Promise<IDBDatabase | null> {
  return new Promise((ok) => {
    const wanted = indexedDB.open('fettle', 1)
    wanted.onupgradeneeded = () => {
      wanted.result.createObjectStore('writes', { keyPath: 'id' })
      wanted.result.createObjectStore('edits')
    }
    wanted.onsuccess = () => ok(wanted.result)
    wanted.onerror = () => ok(null)
  })
}

function keep(entry: Entry): Promise<void> {
  return change((s) => s.put($state.snapshot(entry)))
}

const forget = (entry: Entry): Promise<void> => change((s) => s.delete(entry.id))

function change(what: (s: IDBObjectStore) => void, name = 'writes'): Promise<void> {
  return new Promise((ok) => {
    if (!disk) return ok()
    const t = disk.transaction(name, 'readwrite', { durability: 'strict' })
    what(t.objectStore(name))
    t.oncomplete = () => ok()
    t.onerror = t.onabort = () => ok() /* the entry lives on in memory */
  })
}

function readAll(): Promise<Entry[]> {
  return new Promise((ok) => {
    if (!disk) return ok([])
    const r = disk.transaction('writes').objectStore('writes').getAll()
    r.onsuccess = () => ok((r.result as Entry[]).sort((a, b) => a.at - b.at))
    r.onerror = () => ok([])
  })
}

/* What is typed into something that is saved only when it is sent: kept here until then. */
export const keepEdit = (name: string, value: unknown): Promise<void> => change((s) => s.put(value, name), 'edits')
export const forgetEdit = (name: string): Promise<void> => change((s) => s.delete(name), 'edits')

export function readEdit<T>(name: string): Promise<T | undefined> {
  return new Promise((ok) => {
    if (!disk) return ok(undefined)
    const r = disk.transaction('edits').objectStore('edits').get(name)
    r.onsuccess = () => ok(r.result as T | undefined)
    r.onerror = () => ok(undefined)
  })
}

/* ---- sending -------------------------------------------------------------------------------------------------------------------- */

let current: Entry | null = null
let retry: ReturnType<typeof setTimeout> | undefined
let wait = 500

/* An answer of a bulk route may refuse its one item. */
function refusedInside(answer: unknown): string {
  const items = (answer as { items?: { error?: { detail?: string } | null }[] })?.items
  return items?.find?.((x) => x?.error)?.error?.detail ?? ''
}

async function drop(entry: Entry): Promise<void> {
  queue.entries = queue.entries.filter((x) => x.id !== entry.id)
  await forget(entry)
}

async function refuse(entry: Entry, words: string): Promise<void> {
  const mine = queue.entries.find((x) => x.id === entry.id)
  if (!mine) return
  mine.refused = words
  await keep(mine)
}

function later(why: string): void {
  queue.problem = why
  clearTimeout(retry)
  retry = setTimeout(flush, wait)
  wait = Math.min(wait * 2, 10000)
}

/* The id of my answer to a record, for what was written before it was known. */
async function mine(record: string): Promise<string | undefined> {
  const found = await ask<{ responses: { id: string; user_id: string }[] }>('GET', `/api/v1/records/${record}`)
  return found.responses.find((r) => r.user_id === session.me?.id)?.id
}

/* `{mine:RECORD}` in a path stands for that id; there is none: nothing to do. */
async function deliver(entry: Entry): Promise<unknown> {
  const record = /\{mine:([^}]+)\}/.exec(entry.path)
  const id = record && (await mine(record[1]))
  if (record && !id) return undefined
  return ask(entry.method, record ? entry.path.replace(record[0], id!) : entry.path, entry.body, { key: entry.id })
}

async function sendOne(entry: Entry): Promise<boolean> {
  current = entry
  try {
    const answer = await deliver(entry)
    const inside = refusedInside(answer)
    if (inside) await refuse(entry, inside)
    else {
      await drop(entry)
      queue.savedAt = Date.now()
      watchers.forEach((w) => w(entry, answer))
    }
    wait = 500
    return true
  } catch (e) {
    const status = e instanceof ApiError ? e.status : 0
    const temporary = status === 0 || status === 401 || status === 408 || status === 429 || status >= 500
    if (temporary) later(said(e))
    else await refuse(entry, said(e))
    return !temporary
  } finally {
    current = null
  }
}

export async function flush(): Promise<void> {
  if (queue.sending || !session.me) return
  queue.sending = true
  try {
    for (;;) {
      const next = queue.entries.find((x) => !x.refused && x.user === session.me?.id)
      if (!next) break
      if (!(await sendOne(next))) return
    }
    queue.problem = ''
  } finally {
    queue.sending = false
  }
}

/* ---- for screens ---------------------------------------------------------------------------------------------------------------- */

/* Done when the entry is on this browser's disk; the server hears of it at once when it is there. */
export async function write(method: string, path: string, body: unknown, about: string, words: string): Promise<void> {
  const entry: Entry = { id: newId(), at: Date.now(), user: session.me?.id ?? '', method, path, body, about, words }
  const old = queue.entries.filter((x) => x.about === about && x.id !== current?.id)
  queue.entries = [...queue.entries.filter((x) => !old.includes(x)), entry]
  await keep(entry)
  for (const x of old) await forget(x)
  void flush()
}

/* The newest write about this that the server does not have yet. */
export const unsaved = (about: string): Entry | undefined => queue.entries.findLast((x) => x.about === about)

export async function again(entry: Entry): Promise<void> {
  const mine = queue.entries.find((x) => x.id === entry.id)
  if (!mine) return
  mine.refused = undefined
  await keep(mine)
  void flush()
}

export const dropEntry = drop

export async function startQueue(): Promise<void> {
  disk = await openDisk()
  const left = await readAll()
  queue.entries = [...left, ...queue.entries.filter((x) => !left.some((y) => y.id === x.id))]
  addEventListener('online', () => {
    wait = 500
    void flush()
  })
  addEventListener('beforeunload', (e) => {
    if (!disk && queue.entries.length) e.preventDefault()
  })
  void flush()
}
