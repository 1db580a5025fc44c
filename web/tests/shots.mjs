/* Pictures of every screen, to look at: node web/tests/shots.mjs build/fettle [PART OF A NAME], into $SHOTS (/tmp/shots). Light, dark, on a phone,
 * and in Spanish. FETTLE_SHOTS_HOME: of a copy of this data folder, with its models and runs. Not a test of run-tests. */
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openBrowser, openPage, Server } from './lib.mjs'
import { aRun, edits, everything, thumbs } from './sets.mjs'

const folder = process.env.SHOTS ?? '/tmp/shots', only = process.argv[3] ?? '', home = process.env.FETTLE_SHOTS_HOME
mkdirSync(folder, { recursive: true })
const server = new Server('ui')
if (home) cpSync(home, server.home, { recursive: true, filter: (path) => !/fettle\.(sock|lock)$/.test(path) })
await server.start()
const one = await edits(server), all = await everything(server), single = await thumbs(server)
for (const name of ['shown', 'other']) aRun(server, name)
const person = await server.ask('POST', '/api/v1/users', { username: 'bea', first_name: 'Bea', role: 'annotator', password: '12345678' })
await server.ask('POST', `/api/v1/workspaces/${one.workspace.id}/users`, { user_id: person.id })
for (const [i, r] of one.records.slice(0, 5).entries())
  for (const key of i < 3 ? [server.key, person.api_key] : [server.key]) {
    const values = { better: { value: `Answer number ${i + 1}: most people would say yes.` }, rating: { value: key ? 2 : 4 } }
    await server.ask('POST', `/api/v1/records/${r.id}/responses`, { values, status: 'submitted' }, key)
  }
const annotate = (set, more = '') => `/#/datasets/${set.id}/annotate${more}`, inside = (set, tab) => `/#/datasets/${set.id}?tab=${tab}`
const press = (name, role = 'button') => async (p) => p.getByRole(role, { name }).first().click()

const teaches = (await server.ask('GET', '/api/v1/teach')).items, runs = (await server.ask('GET', '/api/v1/runs')).items.filter((r) => r.id !== 'shown')
const screens = [
  ['hello', '/#/teach'], ['taste', '/#/teach/new'], ...teaches.map((x, i) => [`lesson-${i}`, `/#/teach/${x.id}`]),
  ['datasets', '/#/datasets'], ['new', '/#/datasets/new'], ['synth', '/#/datasets/synth'], ['viewer', '/#/viewer'],
  ...['overview', 'data', 'import', 'review', 'quality', 'assist', 'settings'].map((tab) => [`set-${tab}`, inside(one, tab)]), ['everything-settings', inside(all, 'settings')],
  ['train', `/#/train?dataset=${one.id}`], ['runs', '/#/runs'], ['run', '/#/runs/shown'], ...runs.slice(0, 2).map((r, i) => [`run-${i}`, `/#/runs/${r.id}`]),
  ['rollouts', '/#/runs/shown', press(/Rollouts|Generaciones/, 'tab')], ['run-settings', '/#/runs/shown', press(/Settings|Ajustes/, 'tab')], ['compare', `/#/compare?runs=shown,${runs[0]?.id}`],
  ['chat', '/#/chat'], ['arena', '/#/arena'], ['models', '/#/models'], ['people', '/#/people'], ['settings', '/#/settings'], ['licences', '/#/licences'], ['nowhere', '/#/nowhere'],
  ['focus', annotate(one)], ['everything', annotate(all)], ['bulk', annotate(one, '?view=bulk')], ['thumbs', annotate(single)],
  ['guidelines', annotate(one), 'g'], ['comments', annotate(one), 'c'], ['history', annotate(one, '?status=submitted'), 'h'], ['details', annotate(one), 'i'], ['keys', annotate(one), '?'],
  ['filters', annotate(one), press(/Filter and order|Filtrar y ordenar/)], ['none', annotate(single, '?status=submitted')],
]
const looks = [['light', {}], ['dark', { colorScheme: 'dark' }], ['phone', { viewport: { width: 390, height: 844 } }], ['es', { locale: 'es' }]]
for (const [look, options] of looks) {
  const page = await openPage(server, { reducedMotion: 'reduce', ...options })
  for (const [name, path, act] of screens) {
    if (!`${name}-${look}`.includes(only)) continue
    await page.goto('about:blank')
    await page.goto(server.url + path)
    await page.locator('main > *').first().waitFor()
    await page.waitForTimeout(900)
    if (typeof act === 'string') await page.keyboard.press(act)
    else if (act) await act(page).catch((e) => console.log(name, look, e.message.split('\n')[0]))
    if (act) await page.waitForTimeout(400)
    await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: true })
    if (page.faults.length) console.log(name, look, page.faults.splice(0))
  }
  await page.context().close()
}
await (await openBrowser()).close()
await server.remove()
