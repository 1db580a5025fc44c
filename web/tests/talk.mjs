/* Chat and Arena, played: an answer streams and is stopped, written again, branched and put right; thumbs and edits become records; two models
 * without names are voted on by keys and revealed. Needs the starter model in build/starter; says so when it is not there. */
import { check, giveStarter, openPage, run, same, Server, until } from './lib.mjs'

const server = new Server('ui')
const models = ['smollm2', 'xq7_twin'] // no words that an answer could hold
giveStarter(server, ...models)
await server.start()
let page

const answers = () => page.locator('li:not(.mine) .bubble')
const written = () => page.locator('ol[aria-busy=false]').waitFor({ timeout: 120000 })
async function say(text) {
  await page.getByLabel('Your message').fill(text)
  await page.keyboard.press('Enter')
}
async function settings(values) {
  await page.getByRole('button', { name: 'Sampling', exact: true }).click()
  for (const [label, value] of Object.entries(values)) await page.getByLabel(label, { exact: true }).fill(String(value))
  await page.keyboard.press('Escape')
}
const saved = async () => (await server.ask('GET', `/api/v1/chats/${new URL(page.url().replace('#/', '')).searchParams.get('chat')}`)).messages

/* Every record that feedback and votes have left, with its answers. */
async function records() {
  const all = []
  for (const set of (await server.ask('GET', '/api/v1/me/datasets')).items)
    for (const r of (await server.ask('GET', `/api/v1/datasets/${set.id}/records?include=responses&limit=100`)).items) all.push({ set: set.name, ...r })
  return all
}

check('an answer streams; a stop keeps what is there', async () => {
  page = await openPage(server)
  page.stays = true
  await page.goto(`${server.url}/#/chat`)
  await page.getByLabel('Your message').waitFor()
  await page.getByLabel('Model', { exact: true }).selectOption('smollm2')
  await settings({ 'Most tokens': 400, Seed: 7 })
  await say('Write a long story about a lighthouse.')
  const lengths = new Set()
  await until('pieces', async () => lengths.add((await answers().last().innerText().catch(() => '')).length).size > 4, 60)
  await page.keyboard.press('Escape')
  await written()
  const text = await answers().last().innerText()
  await page.waitForTimeout(500)
  same('nothing more comes', await answers().last().innerText(), text)
  if (text.length < 10 || text.split(/\s+/).length > 300) throw new Error(text)
  await page.getByText('cut off').waitFor()
  await page.getByRole('button', { name: 'Bad answer' }).click()
  const said = await until('a thumb on what was stopped', async () => (await records()).find((r) => r.responses.length))
  same('its end was nobody\'s', said.metadata.unfinished?.join(), 'messages')
  same('the thumb', said.responses[0].values.good.value, 'bad')
})

check('written again it is another branch; a question in other words too; both stay', async () => {
  await settings({ 'Most tokens': 24 })
  await page.locator('h1').click()
  await page.keyboard.press('r')
  await page.getByText('2/2').waitFor()
  await written()
  const second = await answers().last().innerText()
  await page.getByRole('button', { name: 'The version before' }).first().click()
  await page.getByText('1/2').waitFor()
  if ((await answers().last().innerText()) === second) throw new Error('the branch before shows the same answer')
  await page.locator('li.mine').getByRole('button', { name: 'Edit' }).click()
  await page.locator('dialog textarea').fill('Name one lighthouse.')
  await page.keyboard.press('Control+Enter')
  await page.locator('li.mine').getByText('Name one lighthouse.').waitFor()
  await written()
  await until('it is kept', async () => (await saved()).length === 5)
  await page.reload()
  await page.locator('li.mine').getByText('Name one lighthouse.').waitFor()
  same('messages after a reload', (await saved()).length, 5)
})

check('the exact tokens that were sent are shown', async () => {
  await say('And another?')
  await written()
  await page.getByRole('button', { name: 'The exact tokens' }).last().click()
  const shown = await page.locator('dialog pre').allInnerTexts()
  if (!/<\|im_start\|>user\nName one lighthouse\.<\|im_end\|>[^]*And another\?<\|im_end\|>\n<\|im_start\|>assistant/.test(shown[0])) throw new Error(shown[0])
  if (!/^\d+( \d+)+$/.test(shown[1].trim())) throw new Error(shown[1])
  await page.keyboard.press('Escape')
})

check('a thumb and an answer put right are records', async () => {
  const before = (await records()).length
  await page.getByRole('button', { name: 'Good answer' }).last().click()
  await until('a thumb', async () => (await records()).length > before)
  same('the thumbs', (await records()).flatMap((r) => r.responses).map((x) => x.values.good?.value).sort().join(), 'bad,good')
  await page.locator('h1').click()
  await page.keyboard.press('e')
  await page.locator('dialog textarea').fill('The lighthouse of Eddystone.')
  await page.keyboard.press('Control+Enter')
  const said = await until('the edit as an answer', async () => (await records()).flatMap((r) => r.responses).find((x) => JSON.stringify(x.values).includes('Eddystone')))
  same('its status', said.status, 'submitted')
  same('the thumb stands beside it', said.values.good.value, 'good')
  await answers().getByText('The lighthouse of Eddystone.').waitFor()
  same('an edit has no thumbs', await answers().last().locator('xpath=..').getByRole('button', { name: 'Good answer' }).count(), 0)
  await page.getByRole('button', { name: 'The version before' }).last().click()
  await page.getByRole('button', { name: 'Bad answer' }).last().click()
  await until('another thumb', async () => (await records()).flatMap((r) => r.responses).some((x) => x.values.good?.value === 'bad' && x.values.better))
})

check('the same seed says the same again', async () => {
  await page.getByRole('button', { name: 'New chat' }).click()
  await settings({ 'Most tokens': 16, Seed: 11 })
  await say('Count to five.')
  await written()
  const one = await answers().last().innerText()
  await page.locator('h1').click()
  await page.keyboard.press('r')
  await page.getByText('2/2').waitFor()
  await written()
  same('the second', await answers().last().innerText(), one)
})

check('two models without names; the vote reveals them, and can be taken back', async () => {
  await page.goto(`${server.url}/#/arena`)
  for (const [n, key] of ['ArrowLeft', 'ArrowRight', 'ArrowDown', 'x'].entries()) {
    await page.getByLabel('A prompt for both').fill(`What is the number ${n}?`)
    await page.keyboard.press('Enter')
    await page.locator('.sides[aria-busy=false]').waitFor({ timeout: 120000 })
    const shown = await page.locator('.sides').innerText()
    if (models.some((m) => shown.includes(m))) throw new Error(`named before the vote: ${shown}`)
    await page.locator('h1').click()
    await page.keyboard.press(key)
    await page.locator('.revealed').waitFor()
    const names = await page.locator('.revealed').innerText()
    if (!models.every((m) => names.includes(m))) throw new Error(names)
  }
  await page.getByText('4 votes').waitFor()
  await page.keyboard.press('u')
  await page.getByText('3 votes').waitFor()
  same('models in the table', (await page.locator('tbody tr').count()), 2)
  same('each with an interval', await page.locator('tbody .track').count(), 2)
  const votes = (await records()).filter((r) => /number \d\?/.test(JSON.stringify(r.fields)) && r.responses.some((x) => x.status === 'submitted'))
  same('votes that are records', votes.length, 3)
})

await run(() => server.remove())
