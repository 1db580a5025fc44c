/* What tests of the web app share: a server in a fresh data folder, a browser, checks that print a line each.
 *
 *     node web/tests/NAME.mjs build/fettle [WORDS]     WORDS: only checks whose names hold them
 *
 * Every page that is opened is watched: an error in its console, a refused policy, a request to elsewhere fails the check. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { chromium } from 'playwright-core'

export const program = resolve(process.argv[2] ?? 'build/fettle')
const only = process.argv[3]?.startsWith('--') ? '' : (process.argv[3] ?? '')
const sleep = (ms) => new Promise((r) => setTimeout(r, ms))

/* ---- the server ----------------------------------------------------------------------------------------------------------------- */

export class Server {
  constructor(verb = 'serve') {
    this.verb = verb
    this.home = mkdtempSync(join(tmpdir(), 'fettle-web-'))
    this.port = 0
  }

  async start() {
    const file = join(this.home, 'port')
    rmSync(file, { force: true })
    const web = process.env.WEB ? ['--web', process.env.WEB] : []
    const words = [this.verb, ...web, '--home', this.home, '--port', String(this.port), '--port-file', file]
    this.words = ''
    this.process = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, DISPLAY: '', FETTLE_THREADS: '1' } })
    this.process.stderr.on('data', (d) => (this.words += d))
    for (let i = 0; i < 1000; i++) {
      const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
      if (text.endsWith('\n') && /listening[^]*\n/.test(this.words)) {
        this.port = Number(text)
        this.url = `http://127.0.0.1:${this.port}`
        return this
      }
      if (this.process.exitCode !== null) break
      await sleep(20)
    }
    throw new Error('the server did not start: ' + this.words)
  }

  /* Serves, with logins, the data folder of one that ends for it; ann and bob are its annotators, with the password 12345678. */
  async startIn(other) {
    for (const username of ['ann', 'bob']) {
      const made = await other.ask('POST', '/api/v1/users', { username, first_name: username, role: 'annotator', password: '12345678' })
      for (const w of (await other.ask('GET', '/api/v1/me/workspaces')).items) await other.ask('POST', `/api/v1/workspaces/${w.id}/users`, { user_id: made.id })
    }
    await other.kill()
    rmSync(this.home, { recursive: true, force: true })
    this.home = other.home
    return this.start()
  }

  kill() {
    return new Promise((ok) => {
      if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return ok()
      this.process.once('exit', ok)
      this.process.kill('SIGKILL')
    })
  }

  /* Its pages go first: they would complain of its end. */
  async remove() {
    for (const page of opened) if (page.url().startsWith(this.url)) await page.close().catch(() => {})
    await this.kill()
    rmSync(this.home, { recursive: true, force: true })
  }

  /* The API key of a new person, made by the command line beside the server. */
  person(name, role, workspace) {
    const more = workspace ? ['--workspace', workspace] : []
    const run = spawnSync(program, ['user', 'add', name, '--role', role, '--print-key', '--home', this.home, ...more], { encoding: 'utf8' })
    if (run.status) throw new Error(run.stderr)
    return run.stdout.trim()
  }

  async ask(method, path, body, key = this.key) {
    const headers = { 'Content-Type': 'application/json', ...(key ? { 'X-Argilla-Api-Key': key } : {}) }
    const answer = await fetch(this.url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text ? JSON.parse(text) : undefined
  }
}

/* ---- the starter model ------------------------------------------------------------------------------------------------------------ */

/* Its file; without it the test ends as skipped. */
export function starterOrSkip() {
  const file = resolve('build/starter/smollm2.gguf')
  if (existsSync(file)) return file
  console.log(`SKIPPED: ${file} is not there (tools/deps starter)`)
  process.exit(77)
}

/* A server that has not started gets it under these names. */
export function giveStarter(server, ...names) {
  mkdirSync(join(server.home, 'models'), { recursive: true })
  for (const name of names) symlinkSync(starterOrSkip(), join(server.home, 'models', `${name}.gguf`))
}

/* ---- a dataset with everything ---------------------------------------------------------------------------------------------------- */

const named = new Set()

/* fields and questions: bodies of POST …/fields and …/questions. The published dataset with its records' ids. */
export async function makeDataset(server, { name, fields, questions, records, guidelines = null, min = 1, metadata = [], vectors = [] }) {
  const spaces = await server.ask('GET', '/api/v1/me/workspaces')
  const space = spaces.items[0] ?? (await server.ask('POST', '/api/v1/workspaces', { name: 'team' }))
  const set = await server.ask('POST', '/api/v1/datasets', {
    name: named.has(name) ? `${name} ${named.size}` : name, workspace_id: space.id, guidelines, distribution: { strategy: 'overlap', min_submitted: min },
  })
  named.add(set.name)
  for (const f of fields) await server.ask('POST', `/api/v1/datasets/${set.id}/fields`, f)
  for (const q of questions) await server.ask('POST', `/api/v1/datasets/${set.id}/questions`, q)
  for (const m of metadata) await server.ask('POST', `/api/v1/datasets/${set.id}/metadata-properties`, m)
  for (const v of vectors) await server.ask('POST', `/api/v1/datasets/${set.id}/vectors-settings`, v)
  await server.ask('PUT', `/api/v1/datasets/${set.id}/publish`)
  const ids = {}
  for (const q of (await server.ask('GET', `/api/v1/datasets/${set.id}/questions`)).items) ids[q.name] = q.id
  const items = records.map(({ suggestions = [], ...r }) => ({
    ...r, suggestions: suggestions.map(({ question, ...s }) => ({ question_id: ids[question], type: 'model', ...s })),
  }))
  const made = items.length ? await server.ask('POST', `/api/v1/datasets/${set.id}/records/bulk`, { items }) : { items: [] }
  return { id: set.id, workspace: space, questions: ids, records: made.items }
}

/* ---- the browser ------------------------------------------------------------------------------------------------------------------- */

let browser = null

export async function openBrowser() {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic'],
  })
  return browser
}

/* A page in a context of its own. page.faults: what went wrong in it; page.expected: texts that may; page.stays: for the next check too. */
export async function openPage(server, options = {}) {
  const context = await (await openBrowser()).newContext({ viewport: { width: 1280, height: 800 }, locale: 'en', ...options })
  const page = await context.newPage()
  page.faults = []
  page.expected = []
  const fault = (text) => page.expected.some((x) => text.includes(x)) || page.faults.push(text)
  /* What the policy of a template's frame refuses is what templates are meant not to get. */
  const refused = (m) => /\/frame(\/script)?$/.test(m.location().url) && m.text().includes('Content Security Policy')
  page.on('console', (m) => m.type() === 'error' && !refused(m) && fault(`console: ${m.text()}`))
  page.on('pageerror', (e) => fault(`error: ${e.message}`))
  page.on('dialog', (d) => (fault(`dialog: ${d.message()}`), d.dismiss()))
  /* What the policy of a page refused has not gone out. */
  const outside = (r) => r.url().startsWith(server.url) || /^(data|blob|about):/.test(r.url()) || r.failure()?.errorText === 'csp' || fault(`request to ${r.url()}`)
  page.on('requestfinished', outside)
  page.on('requestfailed', outside)
  opened.push(page)
  return page
}

const opened = []

/* ---- checks -------------------------------------------------------------------------------------------------------------------------- */

const checks = []
export const check = (name, run) => checks.push([name, run])

export function same(what, got, wanted) {
  const a = JSON.stringify(got), b = JSON.stringify(wanted)
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`)
}

/* Until f answers something true. */
export async function until(what, f, seconds = 10) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const got = await f()
    if (got) return got
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`)
    await sleep(30)
  }
}

export async function run(finish = async () => {}) {
  let passed = 0, failed = 0
  for (const [name, f] of checks) {
    if (!name.includes(only)) continue
    try {
      await f()
      for (const page of opened) if (page.faults.length) throw new Error(page.faults.join('; '))
      passed++
      console.log(`ok ${name}`)
    } catch (e) {
      failed++
      const shot = process.env.SHOTS && opened.at(-1) ? join(process.env.SHOTS, `failed-${failed}.png`) : ''
      if (shot) await opened.at(-1).screenshot({ path: shot }).catch(() => {})
      console.log(`not ok ${name}: ${e.stack}`)
    }
    for (const page of opened.splice(0)) if (page.stays) opened.push(page); else await page.context().close().catch(() => {})
  }
  await browser?.close()
  await finish()
  console.log(`${passed} passed, ${failed} failed`)
  process.exit(failed ? 1 : 0)
}
