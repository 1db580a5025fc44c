/* Pictures of screens, to look at: node web/tests/shots.mjs build/fettle, into $SHOTS. Not a test of run-tests. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openBrowser, openPage, Server } from './lib.mjs'
import { edits, everything, thumbs } from './sets.mjs'

const folder = process.env.SHOTS ?? '/tmp/shots', only = process.argv[3] ?? ''
mkdirSync(folder, { recursive: true })
const server = await new Server('ui').start()
const one = await edits(server), all = await everything(server), single = await thumbs(server)
const annotate = (set, more = '') => `/#/datasets/${set.id}/annotate${more}`

const screens = [
  ['datasets', '/#/datasets'], ['settings', '/#/settings'], ['focus', annotate(one)], ['everything', annotate(all)],
  ['bulk', annotate(one, '?view=bulk')], ['thumbs', annotate(single)],
  ['guidelines', annotate(one), 'g'], ['comments', annotate(one), 'c'], ['keys', annotate(one), '?'],
  ['filters', annotate(one), async (p) => p.getByRole('button', { name: 'Filter and order' }).click()],
  ['none', annotate(single, '?status=submitted')],
]
const looks = [['light', {}], ['dark', { colorScheme: 'dark' }], ['phone', { viewport: { width: 390, height: 844 } }]]
for (const [look, options] of looks)
  for (const [name, path, act] of screens) {
    if (!`${name}-${look}`.includes(only)) continue
    const page = await openPage(server, options)
    await page.goto(server.url + path)

    await page.locator('.record, .bulk .card, .screen, .empty').first().waitFor()
    await page.waitForTimeout(900)
    if (typeof act === 'string') await page.keyboard.press(act)
    else if (act) await act(page)
    await page.waitForTimeout(400)
    await page.screenshot({ path: join(folder, `${name}-${look}.png`) })
    if (page.faults.length) console.log(name, look, page.faults)
    await page.context().close()
  }
await (await openBrowser()).close()
await server.remove()
