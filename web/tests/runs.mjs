/* Training by the page: what a run needs and will see, its order in a queue, pause, a killed process, going on, another browser, and two runs
 * beside each other. Needs the starter model in build/starter; says so when it is not there. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, giveStarter, openPage, run, same, Server, until } from './lib.mjs'
import { edits } from './sets.mjs'

const server = new Server('ui')
giveStarter(server, 'smollm2')
await server.start()
const set = await edits(server), me = await server.ask('GET', '/api/v1/me')
await server.ask('PUT', `/api/v1/datasets/${set.id}/records/bulk`, {
  items: set.records.map((r, i) => ({
    id: r.id, responses: [{ user_id: me.id, status: 'submitted', values: { better: { value: `Most people say yes, and so do I, ${i + 1} times.` }, rating: { value: 4 } } }],
  })),
})
let killed = 0 /* the step at which the first run's process was killed */
const ids = [], show = (id) => server.ask('GET', `/api/v1/runs/${id}`)
const isNow = (id, status, seconds = 120) => until(`${id} ${status}`, async () => (await show(id)).status === status, seconds)
const state = (id) => JSON.parse(readFileSync(join(server.home, 'runs', id, 'state.json'), 'utf8'))
let page

/* Orders a run by the page; where it lies. */
async function order(name, epochs) {
  await page.goto('about:blank')
  await page.goto(`${server.url}/#/train?dataset=${set.id}`)
  await page.getByText('answers to imitate').waitFor()
  await page.getByLabel(/preset/).selectOption('small-edits')
  await page.getByLabel(/^Passes/).fill(String(epochs))
  await page.getByText('Advanced').click()
  await page.getByLabel('Name of the run').fill(name)
  await page.getByLabel('save_steps').fill('2')
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await page.waitForURL(/runs\//, { timeout: 60000 })
  ids.push(page.url().split('/').at(-1))
  return ids.at(-1)
}

check('before it begins, the page says what a run needs, what is wrong with it, and which tokens it trains', async () => {
  page = await openPage(server)
  page.stays = true
  await page.goto(`${server.url}/#/train?dataset=${set.id}`)
  await page.getByText('answers to imitate').waitFor()
  await page.getByRole('button', { name: 'Look before' }).click()
  await page.getByText('Before it begins').waitFor({ timeout: 120000 })
  const needs = await page.getByRole('region', { name: 'Before it begins' }).innerText()
  for (const what of [/Memory\s+[\d.]+ .B of/, /Disk\s+[\d.]+ .B of/, /Time\s+about/, /Examples\s+8\b/]) if (!what.test(needs)) throw new Error(`not ${what}: ${needs}`)
  const trained = (await page.locator('.rows mark').allInnerTexts()).join('')
  if (!/Most people say yes/.test(trained) || /cut flowers/.test(trained)) throw new Error(`trained: ${trained}`)
  page.expected.push('422', 'Failed to load resource')
  await page.getByLabel(/Learning rate/).fill('-1')
  await page.getByRole('button', { name: 'Look before' }).click()
  await page.getByRole('alert').getByText(/learning_rate/).waitFor({ timeout: 60000 })
})

check('a run shows its curves to every browser; the next one waits for it', async () => {
  const first = await order('first', 400)
  await page.locator('.chart canvas').first().waitFor({ timeout: 240000 })
  const second = await order('second', 2)
  await page.getByText('waiting', { exact: true }).waitFor()
  same('the second', (await show(second)).status, 'queued')
  const other = await openPage(server)
  await other.goto(`${server.url}/#/runs/${first}`)
  await other.locator('.chart canvas').first().waitFor({ timeout: 60000 })
  await other.reload()
  await other.locator('.chart canvas').first().waitFor({ timeout: 60000 })
})

check('a pause keeps its place; a process that is killed says so, and the run goes on from its last checkpoint', async () => {
  const [first] = ids
  await page.goto(`${server.url}/#/runs/${first}`)
  await page.getByRole('button', { name: 'Pause' }).click()
  await isNow(first, 'paused')
  const kept = (await show(first)).step
  await page.getByRole('button', { name: 'Resume' }).click()
  await until('more steps', async () => (await show(first)).step > kept + 2, 240)
  process.kill(state(first).pid, 'SIGKILL')
  await isNow(first, 'failed')
  await page.getByText(/killed by signal 9/).waitFor()
  killed = (await show(first)).step
  await page.getByRole('button', { name: 'Resume' }).click()
})

check('the one that goes on waits for its turn; a stop keeps what it has', async () => {
  const [first, second] = ids
  await isNow(second, 'done', 240)
  await isNow(first, 'running', 120)
  await page.goto(`${server.url}/#/runs/${first}`)
  await page.getByRole('button', { name: 'Stop' }).click()
  await isNow(first, 'stopped')
  await page.getByText(/stopped at step \d+, checkpoint saved/).waitFor()
  const after = (await show(first)).step, steps = (await server.ask('GET', `/api/v1/runs/${first}/metrics`)).items.map((r) => r.step)
  if (after < killed - 2) throw new Error(`it was killed at step ${killed}, and stopped at ${after}`) /* a checkpoint every two steps */
  same('steps, each once and in their order', steps, [...new Set(steps)].sort((a, b) => a - b))
})

check('what writes its own answers is told what they are worth, and shows them', async () => {
  await page.goto('about:blank')
  await page.goto(`${server.url}/#/train?dataset=${set.id}`)
  await page.getByText('answers to imitate').waitFor()
  await page.getByLabel('How it learns (objective)').selectOption('grpo')
  same('without a reward', await page.getByRole('button', { name: 'Start', exact: true }).isEnabled(), false)
  await page.getByLabel(/What an answer is worth/).selectOption('length')
  await page.getByLabel(/Of the reward/).fill('-8')
  await page.getByLabel(/Longest answer/).fill('12')
  await page.getByText('Advanced').click()
  for (const [key, value] of Object.entries({ num_generations: 4, max_steps: 2, logging_steps: 1, beta: 0.04, use_peft: true }))
    await (value === true ? page.getByLabel(key, { exact: true }).selectOption('true') : page.getByLabel(key, { exact: true }).fill(String(value)))
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await page.waitForURL(/runs\//, { timeout: 60000 })
  await isNow(page.url().split('/').at(-1), 'done', 240)
  for (const curve of ['Reward', 'Variety (entropy)', 'Distance from the original (KL)']) await page.getByText(curve, { exact: true }).waitFor()
  await page.getByText('max_kl').first().waitFor() /* the limit is drawn in */
  await page.getByRole('tab', { name: 'Rollouts' }).click()
  await page.getByText(/advantage/).first().waitFor()
})

check('two runs beside each other: curves, and what they were told differently', async () => {
  await page.goto(`${server.url}/#/runs`)
  for (const name of ['first', 'second']) await page.getByRole('checkbox', { name: new RegExp(name) }).check()
  await page.getByRole('link', { name: /Compare 2/ }).click()
  await page.locator('.chart canvas').first().waitFor()
  const told = await page.getByRole('row', { name: /num_train_epochs/ }).innerText()
  same('passes', told.split(/\s+/).slice(1), ['400', '2'])
  same('names', await page.locator('.u-legend').first().innerText().then((x) => ['first', 'second'].every((n) => x.includes(n))), true)
})

await run(() => server.remove())
