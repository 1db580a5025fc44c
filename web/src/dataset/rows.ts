/* Rows of a file, read in the browser to look at: JSON, JSON Lines, CSV, TSV, Parquet. The server reads it again when it is imported. */
export type Row = Record<string, unknown>

export interface Table {
  name: string
  rows: Row[]
  all: number /* how many there are; rows may be the first of them */
  flaws: { line: number; words: string }[]
}

const most = 20000

function jsonLines(text: string): Omit<Table, 'name'> {
  const rows: Row[] = [], flaws: Table['flaws'] = []
  let all = 0
  text.split('\n').forEach((line, i) => {
    if (!line.trim()) return
    all++
    try {
      const row: unknown = JSON.parse(line)
      if (typeof row !== 'object' || row === null || Array.isArray(row)) flaws.push({ line: i + 1, words: 'an object is expected in each line' })
      else if (rows.length < most) rows.push(row as Row)
    } catch (e) {
      flaws.push({ line: i + 1, words: String((e as Error).message) })
    }
  })
  return { rows, all, flaws }
}

function json(text: string): Omit<Table, 'name'> {
  const whole: unknown = JSON.parse(text)
  const list = Array.isArray(whole) ? whole : Object.values(whole as Row).find(Array.isArray)
  if (!list) return { rows: [whole as Row], all: 1, flaws: [] }
  return { rows: (list as Row[]).slice(0, most), all: list.length, flaws: [] }
}

/* RFC 4180: quotes around a field, doubled inside; line ends inside quotes stay. */
function separated(text: string, mark: string): Omit<Table, 'name'> {
  const table: string[][] = [], flaws: Table['flaws'] = []
  let field = '', row: string[] = [], quoted = false, line = 1, began = 1
  const endRow = () => {
    row.push(field)
    field = ''
    if (row.length > 1 || row[0] !== '') table.push(row)
    if (table.length > 1 && row.length > 1 && row.length !== table[0].length)
      flaws.push({ line: began, words: `${row.length} fields where the heading has ${table[0].length}` })
    row = []
  }
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '\n') line++
    if (quoted) {
      if (c !== '"') field += c
      else if (text[i + 1] === '"') (field += '"'), i++
      else quoted = false
    } else if (c === '"' && field === '') quoted = true
    else if (c === mark) row.push(field), (field = '')
    else if (c === '\n') endRow(), (began = line)
    else if (c !== '\r') field += c
  }
  if (quoted) flaws.push({ line: began, words: 'a quote is never closed' })
  if (field !== '' || row.length) endRow()
  const names = table.shift() ?? []
  const rows = table.slice(0, most).map((r) => Object.fromEntries(names.map((n, i) => [n, r[i] ?? ''])))
  return { rows, all: table.length, flaws }
}

async function parquet(file: Blob): Promise<Omit<Table, 'name'>> {
  const { parquetMetadataAsync, parquetReadObjects } = await import('hyparquet')
  const buffer = { byteLength: file.size, slice: (from: number, to?: number) => file.slice(from, to).arrayBuffer() }
  const metadata = await parquetMetadataAsync(buffer)
  const all = Number(metadata.num_rows)
  const rows = await parquetReadObjects({ file: buffer, metadata, rowEnd: Math.min(all, most) })
  return { rows: rows as Row[], all, flaws: [] }
}

export async function readFile(file: File): Promise<Table> {
  const name = file.name.toLowerCase()
  if (name.endsWith('.parquet')) return { name: file.name, ...(await parquet(file)) }
  const text = (await file.text()).replace(/^﻿/, '')
  const read = name.endsWith('.csv') ? separated(text, ',') : name.endsWith('.tsv') ? separated(text, '\t') : /^\s*\[/.test(text) || (name.endsWith('.json') && !/\}\s*\n\s*\{/.test(text)) ? json(text) : jsonLines(text)
  return { name: file.name, ...read }
}

interface Sent {
  name: string
  text?: string
  base64?: string
}

async function sent(file: File): Promise<Sent> {
  const name = file.webkitRelativePath || file.name
  if (!/\.(parquet|gz|zst)$/i.test(name)) return { name, text: await file.text() }
  const bytes = new Uint8Array(await file.arrayBuffer())
  let binary = ''
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return { name, base64: btoa(binary) }
}

/* A file, or the files of a folder, as the server takes them in a request. */
export async function upload(files: File[]): Promise<{ file: Sent } | { files: Sent[] }> {
  return files[0].webkitRelativePath ? { files: await Promise.all(files.map(sent)) } : { file: await sent(files[0]) }
}

/* What a file is called by, or the folder that it was picked with. */
export const nameOf = (files: File[]): string => files[0].webkitRelativePath.split('/')[0] || files[0].name

/* Of a folder the files that can be read, and what Argilla's exports say of themselves. */
export const readable = (files: Iterable<File>): File[] => [...files].filter((f) => /\.(jsonl|ndjson|json|csv|tsv|parquet)(\.gz|\.zst)?$/i.test(f.name))

/* All files below a folder that was dropped. */
export async function below(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile)
    return new Promise((ok, no) => (entry as FileSystemFileEntry).file((f) => ok([Object.defineProperty(f, 'webkitRelativePath', { value: entry.fullPath.slice(1) })]), no))
  const reader = (entry as FileSystemDirectoryEntry).createReader(), all: FileSystemEntry[] = []
  for (let some: FileSystemEntry[]; (some = await new Promise((ok, no) => reader.readEntries(ok, no))).length; ) all.push(...some)
  return (await Promise.all(all.map(below))).flat()
}
