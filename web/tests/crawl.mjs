/* Every screen, found by its links: axe says that it is accessible, in light and dark; every enabled control is pressed, and what happens is
 * no error, no "not implemented", and not nothing. In an empty server, in one with data, and with a server that fails.
 * FETTLE_LONG=1 (make test-long) presses the controls, which takes many minutes, and looks inside a dataset and a run; FETTLE_SCREEN=WORDS
 * presses those of screens alone whose addresses hold the words. */
import AxeBuilder from '@axe-core/playwright'
import { check, openPage, run, Server } from './lib.mjs'
import { aRun, edits, everything, thumbs } from './sets.mjs'

const empty = await new Server('ui').start(), full = await new Server('ui').start()
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
  const inside = within ? [...inner.map((x) => `#/datasets/${sets[1].id}${x}`), '#/runs/shown', '#/datasets/new'] : []
  const own = server === full ? [...inside, ...sets.map((s) => annotate(s)), annotate(sets[0], '?view=bulk'), annotate(sets[0], '?status=submitted')] : []
  await page.context().close()
  return [...new Set([...links.filter((l) => l !== '#/'), '#/licences', '#/nowhere', ...own])]
}

async function open(server, path, options = {}) {
  const page = await openPage(server, options)
  await page.goto(`${server.url}/${path}`)
  await page.locator('main > *').first().waitFor()
  await page.waitForTimeout(600)
  return page
}

const described = (v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(', ')}`
async function accessible(page, where) {
  const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']).analyze()
  if (found.violations.length) throw new Error(`${where}: ${found.violations.map(described).join('; ')}`)
}

for (const scheme of ['light', 'dark'])
  check(`axe finds nothing on any screen, ${scheme}`, async () => {
    const wrong = []
    for (const server of [empty, full])
      for (const path of await screensOf(server, !!process.env.FETTLE_LONG)) {
        const page = await open(server, path, { colorScheme: scheme })
        await accessible(page, `${path} ${scheme}`).catch((e) => wrong.push(e.message))
        await page.context().close()
      }
    for (const key of ['g', 'c', 'h', 'i', '?']) {
      const page = await open(full, annotate(sets[0]), { colorScheme: scheme })
      await page.keyboard.press(key)
      await page.locator('dialog').waitFor()
      await page.waitForTimeout(300)
      await accessible(page, `panel ${key} ${scheme}`).catch((e) => wrong.push(e.message))
      await page.context().close()
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

/* Presses every control of a page, each on a page of its own. */
async function press(server, path, wrong) {
  const page = await open(server, path)
  const controls = 'main button:enabled, main select:enabled, main input[type=checkbox]:enabled, main summary, main [role=tab]'
  const count = await page.locator(controls).count()
  let asked = []
  page.on('request', (r) => asked.push(r.url()))
  for (let i = 0; i < count; i++) {
    if (i) {
      await page.goto('about:blank')
      await page.goto(`${server.url}/${path}`)
      await page.locator(controls).nth(Math.min(i, count - 1)).waitFor({ timeout: 5000 }).catch(() => {})
      await page.waitForTimeout(150)
    }
    const one = page.locator(controls).nth(i)
    if (!(await one.isVisible().catch(() => false)) || !(await one.isEnabled().catch(() => false))) continue
    const what = `${path} ${await one.evaluate((e) => e.getAttribute('aria-label') ?? e.innerText?.slice(0, 40) ?? e.tagName)}`
    asked = []
    const before = await seen(page)
    try {
      if ((await one.evaluate((e) => e.tagName)) === 'SELECT') await one.selectOption({ index: 1 }).catch(() => one.selectOption({ index: 0 }))
      else await one.click({ timeout: 4000 })
      await page.waitForTimeout(250)
      const same = (await seen(page)) === before
      const chosen = await one.evaluate((e) => e.getAttribute('aria-selected') === 'true' || e.getAttribute('aria-current') !== null || e.getAttribute('aria-checked') === 'true').catch(() => false)
      const copies = /copy/i.test(what)
      if (same && !asked.length && !chosen && !copies) wrong.push(`${what}: nothing happened`)
      if (/not implemented|TODO|undefined|\[object Object\]/.test(await page.locator('body').innerText())) wrong.push(`${what}: shows what nobody should read`)
      if (page.faults.length) wrong.push(`${what}: ${page.faults.join('; ')}`)
    } catch (e) {
      wrong.push(`${what}: ${e.message.split('\n')[0]}`)
    }
    page.faults.length = 0
  }
  await page.context().close()
}

const pressing = process.env.FETTLE_LONG || process.env.FETTLE_SCREEN ? check : (name) => console.log(`# left to make test-long: ${name}`)
pressing('every control does something, on an empty server and on one with data', async () => {
  const wrong = []
  for (const server of [empty, full])
    for (const path of (await screensOf(server, true)).filter((p) => p.includes(process.env.FETTLE_SCREEN ?? ''))) await press(server, path, wrong)
  if (wrong.length) throw new Error(wrong.join('\n'))
})

check('when the server fails, every screen says so and offers to try again', async () => {
  const wrong = []
  for (const path of await screensOf(full)) {
    const page = await openPage(full)
    page.expected.push('500', 'Failed to load resource')
    await page.route('**/api/v1/**', (r) => (/\/(settings|events)/.test(r.request().url()) ? r.continue() : r.fulfill({ status: 500, body: '{"detail":"the disk is full"}', contentType: 'application/json' })))
    await page.goto(`${full.url}/${path}`)
    const needs = !/nowhere|licences/.test(path)
    await page.getByText('disk is full').first().waitFor({ timeout: needs ? 8000 : 500 }).catch(() => {})
    const text = await page.locator('body').innerText()
    if (needs && !/disk is full/.test(text)) wrong.push(`${path}: does not say that the disk is full`)
    if (needs && !(await page.getByRole('button', { name: 'Try again' }).count())) wrong.push(`${path}: no way to try again`)
    if (page.faults.length) wrong.push(`${path}: ${page.faults.join('; ')}`)
    await page.context().close()
  }
  if (wrong.length) throw new Error(wrong.join('\n'))
})

check('right to left: nothing hangs over the edge', async () => {
  for (const path of await screensOf(full)) {
    const page = await open(full, path)
    await page.evaluate(() => (document.documentElement.dir = 'rtl'))
    await page.waitForTimeout(100)
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    if (over > 1) throw new Error(`${path}: ${over} px too wide`)
    await page.context().close()
  }
})

check('on a phone: nothing hangs over the edge, and a vote can be given', async () => {
  for (const path of await screensOf(full)) {
    const page = await open(full, path, { viewport: { width: 360, height: 740 }, hasTouch: true })
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    if (over > 1) throw new Error(`${path}: ${over} px too wide`)
    await page.context().close()
  }
  const page = await open(full, annotate(sets[2]), { viewport: { width: 360, height: 740 }, hasTouch: true })
  await page.getByRole('radio', { name: 'good' }).tap()
  await page.getByRole('button', { name: 'Submit' }).tap()
  await page.getByText('Submitted', { exact: true }).last().waitFor()
})

await run(async () => (await empty.remove(), await full.remove()))
