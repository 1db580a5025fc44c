/* Every screen, found by its links: axe says that it is accessible, in light and dark; nothing hangs over the edge; every enabled control is
 * pressed, and what happens is no error, no "not implemented", and not nothing. In an empty server, in one with data, and with a server that
 * fails. FETTLE_LONG=1 (make test-long) presses the controls, which takes many minutes, and looks inside a dataset and a run;
 * FETTLE_SCREEN=PATTERN presses those of screens alone whose addresses match. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import AxeBuilder from '@axe-core/playwright'
import { check, giveStarter, openPage, run, Server } from './lib.mjs'
import { aRun, edits, everything, thumbs } from './sets.mjs'

const empty = await new Server('ui').start(), full = new Server('ui'), starter = resolve('build/starter/smollm2.gguf')
if (existsSync(starter)) giveStarter(full, 'smollm2', 'twin') // Arena wants two
else console.log('# without the starter model: Chat, Arena and Train have no model to press controls for')
await full.start()
const sets = [await edits(full), await everything(full), await thumbs(full)]
aRun(full, 'shown')
const annotate = (set, more = '') => `#/datasets/${set.id}/annotate${more}`

/* What the navigation shows, and what lies behind it; within: pages inside a dataset and a run too. */
async function screensOf(server, within = false) {
  const page = await openPage(server)
  await page.goto(server.url + '/')
  await page.getByRole('navigation').waitFor()
  const links = await page.locator('nav a').evaluateAll((all) => all.map((a) => a.getAttribute('href')))
  const inner = ['', '?tab=data', '?tab=import', '?tab=review', '?tab=quality', '?tab=assist', '?tab=settings']
  const inside = within ? [...inner.map((x) => `#/datasets/${sets[1].id}${x}`), '#/runs/shown', '#/datasets/new', `#/train?dataset=${sets[0].id}`] : []
  const own = server === full ? [...inside, '#/datasets/synth', `#/datasets/${sets[0].id}?tab=assist`, ...sets.map((s) => annotate(s)), annotate(sets[0], '?view=bulk'), annotate(sets[0], '?status=submitted')] : []
  await page.context().close()
  return [...new Set([...links.filter((l) => l !== '#/'), '#/licences', '#/nowhere', ...own])]
}

/* A page of its own for one screen after the other. */
async function freshPage(server, options = {}) {
  const page = await openPage(server, { reducedMotion: 'reduce', ...options })
  page.busy = new Set()
  page.on('request', (r) => r.url().includes('/events') || page.busy.add(r))
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (r) => page.busy.delete(r))
  return page
}

/* Until nothing is on its way and the screen has not changed for 0.15 s; 5 s at most. */
async function settled(page) {
  let still = 0, last = ''
  for (let i = 0; i < 100 && still < 3; i++) {
    const now = await page.evaluate(() => document.body.innerHTML)
    still = page.busy.size || now !== last ? 0 : still + 1
    last = now
    await page.waitForTimeout(50)
  }
}

async function show(page, server, path) {
  await page.goto('about:blank')
  page.busy.clear()
  await page.goto(`${server.url}/${path}`)
  await page.locator('main > *').first().waitFor()
  await settled(page)
}

async function open(server, path, options = {}) {
  const page = await freshPage(server, options)
  await show(page, server, path)
  return page
}

/* ---- what axe says -------------------------------------------------------------------------------------------------------------------- */

const levels = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], colours = ['color-contrast', 'link-in-text-block']
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const described = (v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(', ')}`

/* Inside the page where it has no frames; AxeBuilder, which opens a page for every answer, where it has. only: these rules. */
async function violations(page, only) {
  if (page.frames().length > 1) {
    const builder = new AxeBuilder({ page })
    return (await (only ? builder.withRules(only) : builder.withTags(levels)).analyze()).violations
  }
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe)
  const runOnly = only ? { type: 'rule', values: only } : { type: 'tag', values: levels }
  return page.evaluate(async (runOnly) => (await window.axe.run(document, { runOnly, resultTypes: ['violations'] })).violations.map((v) => ({ id: v.id, nodes: v.nodes.map((n) => ({ target: n.target })) })), runOnly)
}

/* All rules in light, those of colours in dark, where nothing else is different. */
async function accessible(page, where, wrong) {
  for (const [scheme, only] of [['light', null], ['dark', colours]]) {
    await page.emulateMedia({ colorScheme: scheme })
    await page.waitForFunction((s) => document.documentElement.dataset.theme === s, scheme)
    await page.evaluate(() => new Promise((ok) => requestAnimationFrame(() => setTimeout(ok, 50)))) /* transitions have ended */
    const found = await violations(page, only)
    if (found.length) wrong.push(`${where} ${scheme}: ${found.map(described).join('; ')}`)
  }
  await page.emulateMedia({ colorScheme: 'light' })
}

const tooWide = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
async function rightToLeft(page, where, wrong) {
  await page.evaluate(() => (document.documentElement.dir = 'rtl'))
  await page.waitForTimeout(50)
  const over = await tooWide(page)
  if (over > 1) wrong.push(`${where} right to left: ${over} px too wide`)
}

function noFaults(page, where, wrong) {
  if (page.faults.length) wrong.push(`${where}: ${page.faults.splice(0).join('; ')}`)
}

check('axe finds nothing on any screen, in light and dark, and right to left nothing hangs over the edge', async () => {
  const wrong = []
  for (const server of [empty, full]) {
    const page = await freshPage(server)
    for (const path of await screensOf(server, !!process.env.FETTLE_LONG)) {
      await show(page, server, path)
      await accessible(page, path, wrong)
      await rightToLeft(page, path, wrong)
      noFaults(page, path, wrong)
    }
  }
  if (wrong.length) throw new Error(wrong.join('\n'))
})

check('axe finds nothing in the panels of annotating', async () => {
  const wrong = [], page = await freshPage(full)
  for (const key of ['g', 'c', 'h', 'i', '?']) {
    await show(page, full, annotate(sets[0]))
    await page.keyboard.press(key)
    await page.locator('dialog').waitFor()
    await settled(page)
    await accessible(page, `panel ${key}`, wrong)
  }
  if (wrong.length) throw new Error(wrong.join('\n'))
})

/* What a person could notice of a press. */
const seen = (page) => page.evaluate(() => {
  const fields = [...document.querySelectorAll('input, select, textarea')].map((e) => `${e.value}|${e.checked}`)
  const states = [...document.querySelectorAll('[aria-checked], [aria-pressed], [aria-selected], [aria-expanded]')].map((e) => ['aria-checked', 'aria-pressed', 'aria-selected', 'aria-expanded'].map((a) => e.getAttribute(a)).join())
  const focus = document.activeElement
  return [location.href, document.body.innerText, fields.join(), states.join(), focus?.tagName + (focus?.className ?? '')].join('\n')
})

/* Presses every control of a page, each on a page of its own; of those that are named alike three, and a tab on one page of many (times: how often
 * each was met). failing: what is asked of the server after the page has loaded fails, and the
 * page has to say so (not of a lease, without which a person goes on as without a connection, nor of what is asked again by itself: the
 * records after the next ones, which annotate.mjs looks at, and the numbers of those to do). */
async function press(server, path, wrong, times, failing = false) {
  const page = await open(server, path), known = wrong.length
  const controls = 'main button:enabled, main select:enabled, main input[type=checkbox]:enabled, main summary, main [role=tab]'
  const count = await page.locator(controls).count()
  let asked = [], fails = false
  page.on('request', (r) => asked.push(r.url()))
  if (failing) {
    page.expected.push('500', 'Failed to load resource')
    await page.route(/\/(api|v1)\//, (r) => (!fails || r.request().url().includes('/events') ? r.continue() : r.fulfill({ status: 500, body: '{"detail":"the disk is full"}', contentType: 'application/json' })))
  }
  for (let i = 0; i < count; i++) {
    if (i) {
      fails = false
      await page.goto('about:blank')
      await page.goto(`${server.url}/${path}`)
      await page.locator(controls).nth(Math.min(i, count - 1)).waitFor({ timeout: 5000 }).catch(() => {})
      await page.waitForTimeout(150)
    }
    const one = page.locator(controls).nth(i)
    if (!(await one.isVisible().catch(() => false)) || !(await one.isEnabled().catch(() => false))) continue
    const [label, tab] = await one.evaluate((e) => [e.getAttribute('aria-label') ?? e.innerText?.slice(0, 40) ?? e.tagName, e.getAttribute('role') === 'tab'])
    const what = `${path} ${label}`, alike = tab ? `tab ${label}` : what
    times.set(alike, (times.get(alike) ?? 0) + 1)
    if (times.get(alike) > (tab ? 1 : 3)) continue
    const before = await seen(page)
    asked = []
    fails = failing
    try {
      if ((await one.evaluate((e) => e.tagName)) === 'SELECT') await one.selectOption({ index: await one.evaluate((e) => [...e.options].findIndex((o) => !o.selected)) }, { timeout: 4000 })
      else await one.click({ timeout: 4000 })
      await page.waitForTimeout(250)
      const same = (await seen(page)) === before
      const chosen = await one.evaluate((e) => e.getAttribute('aria-selected') === 'true' || e.getAttribute('aria-current') !== null || e.getAttribute('aria-checked') === 'true').catch(() => false)
      const copies = /copy/i.test(what), failed = asked.filter((url) => /\/(api|v1)\//.test(url) && !/\/events|\/lease$|\/me\/datasets\/[^/]+\/(next|metrics|records\/search\?limit=1)$/.test(url))
      if (same && !asked.length && !chosen && !copies) wrong.push(`${what}: nothing happened`)
      if (failing && failed.length && !(await page.getByText(/disk is full|not (yet )?saved|cannot be reached/i).first().waitFor({ timeout: 2000 }).then(() => true, () => false))) wrong.push(`${what}: does not say that ${failed.map((url) => url.slice(server.url.length))} failed`)
      if (/not implemented|TODO|undefined|\[object Object\]/.test(await page.locator('body').innerText())) wrong.push(`${what}: shows what nobody should read`)
      if (page.faults.length) wrong.push(`${what}: ${page.faults.join('; ')}`)
    } catch (e) {
      wrong.push(`${what}: ${e.message.split('\n')[0]}`)
    }
    page.faults.length = 0
  }
  console.log(`# ${path}: ${count} controls${failing ? ' whose requests fail' : ''}`, ...wrong.slice(known))
  await page.context().close()
}

const pressing = process.env.FETTLE_LONG || process.env.FETTLE_SCREEN ? check : (name) => console.log(`# left to make test-long: ${name}`)
const pressed = async (server) => (await screensOf(server, true)).filter((p) => new RegExp(process.env.FETTLE_SCREEN ?? '').test(p))
pressing('every control does something, on an empty server and on one with data', async () => {
  const wrong = [], times = new Map()
  for (const server of [empty, full]) for (const path of await pressed(server)) await press(server, path, wrong, times)
  if (wrong.length) throw new Error(wrong.join('\n'))
})
pressing('every control whose request fails says so', async () => {
  const wrong = [], times = new Map()
  for (const path of await pressed(full)) await press(full, path, wrong, times, true)
  if (wrong.length) throw new Error(wrong.join('\n'))
})

check('when the server fails, every screen says so and offers to try again', async () => {
  const wrong = [], page = await openPage(full)
  page.expected.push('500', 'Failed to load resource')
  await page.route('**/api/v1/**', (r) => (/\/(settings|events)/.test(r.request().url()) ? r.continue() : r.fulfill({ status: 500, body: '{"detail":"the disk is full"}', contentType: 'application/json' })))
  for (const path of await screensOf(full)) {
    await page.goto('about:blank')
    await page.goto(`${full.url}/${path}`)
    const needs = !/nowhere|licences/.test(path)
    await page.getByText('disk is full').first().waitFor({ timeout: needs ? 8000 : 500 }).catch(() => {})
    const text = await page.locator('body').innerText()
    if (needs && !/disk is full/.test(text)) wrong.push(`${path}: does not say that the disk is full`)
    if (needs && !(await page.getByRole('button', { name: 'Try again' }).count())) wrong.push(`${path}: no way to try again`)
    noFaults(page, path, wrong)
  }
  if (wrong.length) throw new Error(wrong.join('\n'))
})

check('on a phone: nothing hangs over the edge, and a vote can be given', async () => {
  const wrong = [], page = await freshPage(full, { viewport: { width: 360, height: 740 }, hasTouch: true })
  for (const path of await screensOf(full)) {
    await show(page, full, path)
    const over = await tooWide(page)
    if (over > 1) wrong.push(`${path}: ${over} px too wide`)
  }
  if (wrong.length) throw new Error(wrong.join('\n'))
  await show(page, full, annotate(sets[2]))
  await page.getByRole('radio', { name: 'good' }).tap()
  await page.getByRole('button', { name: 'Submit' }).tap()
  await page.getByText('Submitted', { exact: true }).last().waitFor()
})

await run(async () => (await empty.remove(), await full.remove()))
